/**
 * Presence in the domain: who comes and goes, what is published of it, and what a crash, a late write or a lost connection leaves
 * (PROTOCOL.md §14).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { Refusal } from '../../../../protocol/errors.ts';
import { PRESENCE_KEPT_MS } from '../../../../protocol/limits.ts';
import { seededRandom } from '../../../support/domain/random.ts';
import { Crash, type PresenceWorld, presenceWorld } from '../../../support/keyed/presence-world.ts';

const CHANNEL = 'chat/room1';

/** Long enough for a look after a crash, in milliseconds. */
const SETTLED_MS = 90_000;

const newWorld = (more: { readonly duplicates?: number } = {}) =>
  presenceWorld({ random: seededRandom(7), ...more });

/** Lets the looks that are due now do their work. */
const settled = (w: PresenceWorld) => w.time.until(w.sleep(2_000));

const shownKeys = async (w: PresenceWorld) => Object.keys(await w.time.until(w.shown(CHANNEL)));

describe('who comes and goes is published', () => {
  test('once, with what the member says, and changes of it', async () => {
    const w = newWorld();
    await w.time.until(w.enter(CHANNEL, 'a', { principal: 'alice', data: '{"name":"Alice"}' }));
    await settled(w);
    const since = JSON.parse((await w.time.until(w.shown(CHANNEL))).a ?? '').since;
    expect(await w.time.until(w.shown(CHANNEL))).toEqual({
      a: JSON.stringify({ principal: 'alice', transport: 'websocket', since, data: { name: 'Alice' } }),
    });
    // The same again says nothing new.
    await w.time.until(w.enter(CHANNEL, 'a', { principal: 'alice', data: '{"name":"Alice"}' }));
    await settled(w);
    await w.time.until(w.enter(CHANNEL, 'a', { principal: 'alice', data: '{"name":"A."}' }));
    await settled(w);
    expect(JSON.parse((await w.time.until(w.shown(CHANNEL))).a ?? '')).toMatchObject({
      since,
      data: { name: 'A.' },
    });
    await w.time.until(w.leave(CHANNEL, 'a'));
    await settled(w);
    expect(await w.time.until(w.published(CHANNEL))).toEqual(['insert a', 'update a', 'delete a']);
  });

  test('a crowd that comes at once is a few messages, and each member is there once', async () => {
    const w = newWorld();
    const ids = Array.from({ length: 200 }, (_, n) => `socket-${n}`);
    await w.time.until(Promise.all(ids.map((id) => w.enter(CHANNEL, id))));
    await settled(w);
    expect(await shownKeys(w)).toHaveLength(200);
    expect(await w.time.until(w.published(CHANNEL))).toHaveLength(200);
    const entries = await w.time.until(w.log.channels.get(`tidings/presence/${CHANNEL}`));
    expect((entries?.next ?? 0) - (entries?.origin ?? 0)).toBeLessThan(30);
  });

  test('a channel that everybody has left costs nothing', async () => {
    const w = newWorld({ duplicates: 0.3 });
    await w.time.until(w.enter(CHANNEL, 'a'));
    await settled(w);
    await w.time.until(w.leave(CHANNEL, 'a'));
    await w.time.until(w.sleep(60_000));
    expect([w.waiting, w.failures]).toEqual([0, []]);
  });
});

describe('who is lost is published', () => {
  test('a socket without pings after 60 s and a look, and it is shown again with its next ping', async () => {
    const w = newWorld();
    await w.time.until(w.enter(CHANNEL, 'a'));
    await w.time.until(w.enter(CHANNEL, 'b'));
    for (let pings = 0; pings < 3; pings++) {
      await w.time.until(w.sleep(25_000));
      await w.time.until(w.seen(CHANNEL, 'a', w.now() + PRESENCE_KEPT_MS));
    }
    // 75 s, and at most a look later.
    await w.time.until(w.sleep(10_000));
    expect(await shownKeys(w)).toEqual(['a']);
    await w.time.until(w.seen(CHANNEL, 'b', w.now() + PRESENCE_KEPT_MS));
    await settled(w);
    expect(await shownKeys(w)).toEqual(['a', 'b']);
    await w.time.until(w.sleep(SETTLED_MS));
    expect(await shownKeys(w)).toEqual([]);
    expect(await w.time.until(w.published(CHANNEL))).toEqual([
      'insert a',
      'insert b',
      'delete b',
      'insert b',
      expect.stringMatching(/^delete/),
      expect.stringMatching(/^delete/),
    ]);
  });

  test('a ping of a connection that never came, or has left, brings nobody', async () => {
    const w = newWorld();
    await w.time.until(w.seen(CHANNEL, 'a', w.now() + PRESENCE_KEPT_MS));
    await w.time.until(w.enter(CHANNEL, 'b'));
    await w.time.until(w.leave(CHANNEL, 'b'));
    await w.time.until(w.seen(CHANNEL, 'b', w.now() + PRESENCE_KEPT_MS));
    await settled(w);
    expect(await w.time.until(w.present(CHANNEL))).toEqual({});
    expect(await shownKeys(w)).toEqual([]);
  });

  test('a reader that is answered and comes again stays, and goes when it does not come', async () => {
    const w = newWorld();
    for (let polls = 0; polls < 20; polls++) {
      const until = w.now() + 33_000;
      await w.time.until(w.enter(CHANNEL, 'r', { transport: 'long-poll', until, keptUntil: until }));
      await w.time.until(w.sleep(polls % 2 === 0 ? 500 : 24_000));
    }
    expect(await w.time.until(w.published(CHANNEL))).toEqual(['insert r']);
    await w.time.until(w.sleep(SETTLED_MS));
    expect(await w.time.until(w.published(CHANNEL))).toEqual(['insert r', 'delete r']);
    // Its row is gone, too.
    expect(await w.members.of(CHANNEL)).toEqual([]);
  });
});

describe('a crash', () => {
  /** Brings one in that stays and one that leaves; returns how many calls were made. */
  async function day(w: PresenceWorld): Promise<number> {
    w.calls = 0;
    const ignoreCrash = (error: unknown) => {
      if (!(error instanceof Crash || error instanceof Refusal)) throw error;
    };
    await w.time.until(w.enter(CHANNEL, 'stays').catch(ignoreCrash));
    await settled(w);
    await w.time.until(w.enter(CHANNEL, 'goes').catch(ignoreCrash));
    await settled(w);
    await w.time.until(w.leave(CHANNEL, 'goes').catch(ignoreCrash));
    await settled(w);
    return w.calls;
  }

  test('at any call shows nobody for ever, and loses nobody', async () => {
    const calm = newWorld();
    calm.crashAt = Number.POSITIVE_INFINITY;
    const calls = await day(calm);
    expect(calls).toBeGreaterThan(40);
    for (let at = 1; at <= calls; at++) {
      const w = newWorld();
      w.crashAt = at;
      await day(w);
      w.crashAt = undefined;
      // The one that stays pings, and comes again if its own process died.
      await w.time.until(w.seen(CHANNEL, 'stays', w.now() + PRESENCE_KEPT_MS));
      const isThere = (await w.members.get(CHANNEL, 'stays')) !== undefined;
      await w.time.until(w.sleep(40_000));
      await w.time.until(w.seen(CHANNEL, 'stays', w.now() + 2 * PRESENCE_KEPT_MS));
      await w.time.until(w.sleep(SETTLED_MS));
      expect(await shownKeys(w), `crash at call ${at}`).toEqual(isThere ? ['stays'] : []);
      expect(w.failures).toEqual([]);
      await w.time.until(w.sleep(2 * SETTLED_MS));
      expect(await shownKeys(w), `crash at call ${at}, after the end`).toEqual([]);
      expect(w.waiting, `crash at call ${at}`).toBe(0);
    }
  });
});

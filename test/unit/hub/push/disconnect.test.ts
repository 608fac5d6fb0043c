/**
 * PROTOCOL.md §12.6 in virtual time: sockets end with their token, and when a caller requests it.
 * @module
 */
import { describe, expect, test } from 'vitest';
import {
  disconnectAt,
  endWithToken,
  noteOpening,
  requestDisconnect,
} from '../../../../lambda/hub/push/disconnect.ts';
import type { Connection } from '../../../../lambda/hub/push/push-ports.ts';
import { Refusal } from '../../../../protocol/errors.ts';
import { TOKEN_LEEWAY_SECONDS } from '../../../../protocol/limits.ts';
import { CHANNEL, codeOf, publish } from '../../../support/domain/json-log.ts';
import type { Client } from '../../../support/domain/push-client.ts';
import { around, run, storesOf } from '../../../support/domain/push-trouble.ts';
import { pushWorld, type World } from '../../../support/domain/push-world.ts';
import { seededRandom } from '../../../support/domain/random.ts';

const LEEWAY_MS = TOKEN_LEEWAY_SECONDS * 1_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const worldOf = (more: { readonly seed?: number; readonly duplicates?: number } = {}): World =>
  pushWorld({ random: seededRandom(more.seed ?? 1), duplicates: more.duplicates ?? 0 });

const disconnectingOf = (w: World) => ({
  log: { clock: () => w.log.now },
  ...w.listeners,
  disconnects: w.disconnects,
});

/** Connects a client as $connect does it, with a token whose `exp` is that many milliseconds away. */
async function letIn(w: World, ttlMs: number, more: Partial<Connection> = {}): Promise<Client> {
  const client = await w.client({ allowedUntil: w.log.now + ttlMs + LEEWAY_MS, ...more });
  await endWithToken(disconnectingOf(w), client.connection);
  return client;
}

const errorsOf = ({ frames }: Client) => frames.filter(({ type, channel }) => type === 'error' && !channel);
const EXPIRED = { type: 'error', code: 'unauthorized', message: 'the token of this connection has ended' };
const KICKED = { type: 'error', code: 'unauthorized', message: 'the hub was told to end this connection' };

describe('a socket whose token ends', () => {
  test.each([1_000, 10 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 1.9 * HOUR_MS])(
    'after %i ms is told and ended within 30 s of that, though nothing is published',
    async (ttlMs) => {
      const w = worldOf();
      await run(w, async () => {
        const opened = w.log.now;
        const ends = opened + ttlMs;
        const client = await letIn(w, ttlMs);
        await w.subscribe(client, 'chat/a', 'now');
        await w.sleep(3 * HOUR_MS);
        expect(errorsOf(client)).toEqual([EXPIRED]);
        expect(client.closedAt).toBeGreaterThanOrEqual(ends);
        expect(client.closedAt).toBeLessThanOrEqual(ends + LEEWAY_MS);
        expect([...w.listeners.subscriptionRows(), ...w.listeners.connectionRows.keys()]).toEqual([]);
        // One request when it was opened, and one each time that a request came too early.
        expect(w.requests).toBe(Math.ceil((disconnectAt(client.connection) - opened) / (15 * MINUTE_MS)));
        expect(w.failures).toEqual([]);
      });
    },
  );

  test('gets nothing that is published after that', async () => {
    const w = worldOf();
    await run(w, async () => {
      const client = await letIn(w, MINUTE_MS);
      await w.subscribe(client, CHANNEL, 'now');
      await publish(w.log, 'before');
      await w.sleep(2 * MINUTE_MS);
      await publish(w.log, 'after');
      await w.idle();
      expect([...client.taken.values()].flat()).toEqual(['before']);
    });
  });

  test('after API Gateway has ended the socket, or that has no token, costs nothing', async () => {
    const w = worldOf();
    await run(w, async () => {
      const late = await letIn(w, 3 * HOUR_MS);
      const anonymous = await letIn(w, 0, { allowedUntil: undefined });
      await w.sleep(4 * HOUR_MS);
      expect([w.requests, late.frames, anonymous.frames]).toEqual([0, [], []]);
      expect(disconnectAt(anonymous.connection)).toBe(Number.POSITIVE_INFINITY);
    });
  });

  test('after the client has left causes no further request', async () => {
    const w = worldOf();
    await run(w, async () => {
      const client = await letIn(w, HOUR_MS);
      await w.sleep(20 * MINUTE_MS);
      await w.listeners.connections.remove(client.connection);
      await w.sleep(2 * HOUR_MS);
      expect([w.requests, client.frames]).toEqual([2, []]);
    });
  });

  test('is ended, however long it cannot take anything', async () => {
    const w = worldOf();
    await run(w, async () => {
      const client = await letIn(w, MINUTE_MS);
      let refusals = 7;
      client.posted = () => (refusals-- > 0 ? 'busy' : 'sent');
      await w.idle();
      expect(client.isGone).toBe(true);
      expect([...w.listeners.connectionRows.keys()]).toEqual([]);
    });
  });

  test('is ended, whichever call of a process is its last, with a queue that doubles and reorders', async () => {
    for (let crashAt = 1; crashAt <= 12; crashAt++) {
      const w = worldOf({ seed: crashAt, duplicates: 0.5 });
      await run(w, async () => {
        const clients = [await letIn(w, MINUTE_MS), await letIn(w, 20 * MINUTE_MS)];
        for (const client of clients) await w.subscribe(client, 'chat/*', 'now');
        w.crashAt = crashAt;
        await w.sleep(HOUR_MS);
        expect(
          clients.map(({ isGone }) => isGone),
          `call ${crashAt}`,
        ).toEqual([true, true]);
        expect([...w.listeners.subscriptionRows(), ...w.listeners.connectionRows.keys()]).toEqual([]);
        expect(w.failures).toEqual([]);
      });
    }
  });
});

describe('sockets of a principal', () => {
  test('are told and ended, and no others', async () => {
    const w = worldOf({ duplicates: 1 });
    await run(w, async () => {
      const mine = [await w.client({ principal: 'mallory' }), await w.client({ principal: 'mallory' })];
      const others = [await w.client({ principal: 'alice' }), await w.client()];
      for (const client of [...mine, ...others]) await w.subscribe(client, CHANNEL, 'now');
      expect(await requestDisconnect(disconnectingOf(w), { principal: 'mallory' })).toBe(2);
      await w.idle();
      await publish(w.log, 'after');
      await w.idle();
      for (const client of mine) {
        expect([errorsOf(client)[0], client.isGone, client.taken.size]).toEqual([KICKED, true, 0]);
      }
      expect(others.map((client) => [errorsOf(client).length, client.isGone])).toEqual([
        [0, false],
        [0, false],
      ]);
      expect(others.map(({ taken }) => [...taken.values()].flat())).toEqual([['after'], ['after']]);
      expect(await requestDisconnect(disconnectingOf(w), { principal: 'mallory' })).toBe(0);
    });
  });

  test('are ended one by one, too, also without a principal, and tried again if a socket cannot be ended yet', async () => {
    const w = worldOf({ duplicates: 1 });
    await run(w, async () => {
      const [one, other] = [await w.client(), await w.client()];
      let refusals = 5;
      one.posted = () => (refusals-- > 0 ? 'unsure' : 'sent');
      const wanted = { connection: one.id };
      expect(await requestDisconnect(disconnectingOf(w), wanted)).toBe(1);
      await w.idle();
      expect([errorsOf(one)[0], one.isGone, other.isGone]).toEqual([KICKED, true, false]);
      expect(await requestDisconnect(disconnectingOf(w), wanted)).toBe(0);
    });
  });

  test('may be opened again, however often a request for the earlier ones comes', async () => {
    const w = worldOf();
    await run(w, async () => {
      const old = await w.client({ principal: 'mallory' });
      const at = w.log.now;
      await requestDisconnect(disconnectingOf(w), { principal: 'mallory' });
      await w.idle();
      await w.sleep(1_000);
      const again = await w.client({ principal: 'mallory' });
      await w.disconnects.send({ kind: 'kicked', principal: 'mallory', at }, 0);
      await w.idle();
      expect([old.isGone, again.isGone]).toEqual([true, false]);
    });
  });

  test('cost no request if there are none', async () => {
    const w = worldOf();
    await run(w, async () => {
      await w.client({ principal: 'alice' });
      expect([await requestDisconnect(disconnectingOf(w), { principal: 'mallory' }), w.requests]).toEqual([
        0, 0,
      ]);
    });
  });

  test('are ended by as many processes as it takes, one after the other', async () => {
    const w = worldOf();
    await run(w, async () => {
      const clients: Client[] = [];
      for (let n = 0; n < 1_200; n++) clients.push(await w.client({ principal: 'bot' }));
      // Each post is so slow that a process has time for some of them only.
      for (const client of clients) client.slowMs = 6_000;
      expect(await requestDisconnect(disconnectingOf(w), { principal: 'bot' })).toBe(1_200);
      await w.idle();
      expect(clients.every(({ isGone }) => isGone)).toBe(true);
      expect([...w.listeners.connectionRows.keys()]).toEqual([]);
      expect(w.requests).toBeGreaterThan(1);
    });
  });

  test('that cannot be ended yet are tried again', async () => {
    const w = worldOf();
    await run(w, async () => {
      const client = await w.client({ principal: 'bot' });
      let refusals = 5;
      client.posted = () => (refusals-- > 0 ? 'unsure' : 'sent');
      await requestDisconnect(disconnectingOf(w), { principal: 'bot' });
      await w.idle();
      expect([client.isGone, w.requests > 1]).toEqual([true, true]);
    });
  });

  test('are ended, whichever call of a process is its last', async () => {
    for (let crashAt = 1; crashAt <= 14; crashAt++) {
      const w = worldOf({ seed: crashAt, duplicates: 0.3 });
      await run(w, async () => {
        const clients = [await w.client({ principal: 'bot' }), await w.client({ principal: 'bot' })];
        for (const client of clients) await w.subscribe(client, 'chat/*', 'now');
        w.crashAt = crashAt;
        await requestDisconnect(disconnectingOf(w), { principal: 'bot' });
        await w.idle();
        expect(
          clients.map(({ isGone }) => isGone),
          `call ${crashAt}`,
        ).toEqual([true, true]);
        expect([...w.listeners.subscriptionRows(), ...w.listeners.connectionRows.keys()]).toEqual([]);
      });
    }
  });
});

test('an opening that is not answered leaves no connection behind, however late it is stored', async () => {
  const w = worldOf();
  await run(w, async () => {
    around(storesOf(w).connections, 'add', (original) => async (...args) => {
      void w.sleep(5_000).then(async () => await original(...args));
      await w.sleep(2_400);
      throw new Refusal('unavailable', 'not answered');
    });
    const opening: Connection = {
      id: 'late=',
      principal: 'somebody',
      capability: {},
      allowedUntil: undefined,
      since: w.log.now,
      until: w.log.now + 2 * HOUR_MS,
      subscriptions: {},
    };
    expect(await codeOf(noteOpening(disconnectingOf(w), opening, 1))).toBe('unavailable');
    await w.sleep(3_000);
    expect([...w.listeners.connectionRows.keys()]).toEqual(['late=']);
    await w.sleep(MINUTE_MS);
    expect([...w.listeners.connectionRows.keys()]).toEqual([]);
    expect(w.failures).toEqual([]);
  });
});

test('an opening that fails hides no defect of its clean-up, and tries all of it', async () => {
  const w = worldOf();
  const missing = new Error('AccessDeniedException: not authorized');
  let sent = 0;
  const parts = {
    ...disconnectingOf(w),
    connections: {
      ...w.listeners.connections,
      add: () => Promise.reject(new Refusal('unavailable', 'not answered')),
      remove: () => Promise.reject(missing),
    },
    disconnects: { send: async () => void sent++ },
  };
  const client = await w.client();
  await expect(noteOpening(parts, client.connection, 9)).rejects.toBe(missing);
  expect(sent).toBe(1);
});

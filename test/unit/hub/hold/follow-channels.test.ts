/**
 * PROTOCOL.md §5.2: a stream of several channels goes on when one of them ends. In virtual time.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { followOn } from '../../../../lambda/hub/hold/follow-channels.ts';
import { create, remove } from '../../../../lambda/hub/log/lifecycle.ts';
import type { From } from '../../../../lambda/hub/log/read-log.ts';
import { never, options, type World, world } from '../../../support/domain/hold-world.ts';
import { CHANNEL, codeOf, publish, readFrom, values } from '../../../support/domain/json-log.ts';

describe('a stream that goes on beyond the end of a channel', () => {
  /** What the stream yielded: messages, and codes of refusals, each with its second. */
  async function sayings(w: World, from: From): Promise<[number, unknown][]> {
    const said: [number, unknown][] = [];
    for await (const { held, gone } of followOn(w.hold, CHANNEL, from, options)) {
      const second = Math.floor(w.time.now() / 1_000);
      if (gone) said.push([second, gone.code]);
      for (const value of held ? values(held.result) : []) said.push([second, value]);
    }
    return said;
  }
  const createChannel = (w: World) =>
    create(w.log, {
      channel: CHANNEL,
      contentType: 'application/json',
      ttlSeconds: undefined,
      expiresAt: undefined,
      close: false,
      body: new Uint8Array(),
    });

  test('says once that it is gone, and goes on with the first message of the next channel of that name', async () => {
    const w = world();
    const end = await publish(w.log, 'old');
    const events = async () => {
      await w.later(1_000, 'last');
      await w.time.sleep(1_000, never);
      await remove(w.log, CHANNEL);
      await w.later(20_000, 'new');
      await w.later(5_000, 'newer');
    };
    const [said] = await w.time.until(Promise.all([sayings(w, end), events()]));
    expect(said.map(([, what]) => what)).toEqual(['last', 'offset_gone', 'new', 'newer']);
  });

  test('that begins at an offset of a former channel does the same at once', async () => {
    const w = world();
    await publish(w.log, 'old');
    w.log.now += 10_000;
    const end = await publish(w.log, 'older');
    await remove(w.log, CHANNEL);
    w.log.now += 10_000;
    await publish(w.log, 'new');
    const said = await w.time.until(sayings(w, end));
    expect(said).toEqual([
      [0, 'offset_gone'],
      [0, 'new'],
    ]);
  });

  test('whose messages are no longer kept goes on with the oldest that is kept', async () => {
    const w = world();
    await publish(w.log, 'gone');
    const { next } = await readFrom(w.log, 'now');
    await publish(w.log, 'gone too');
    w.log.now += w.log.retentionMs - 10_000;
    await publish(w.log, 'kept');
    w.log.now += 20_000;
    expect((await w.time.until(sayings(w, next))).map(([, what]) => what)).toEqual(['offset_gone', 'kept']);
  });

  test('looks for the next channel at every heartbeat, if only PUT creates channels', async () => {
    const w = world('explicit');
    await createChannel(w);
    const end = await publish(w.log, 'old');
    await remove(w.log, CHANNEL);
    const again = async () => {
      await w.time.sleep(35_000, never);
      await createChannel(w);
      await publish(w.log, 'new');
    };
    const [said] = await w.time.until(Promise.all([sayings(w, end), again()]));
    expect(said).toEqual([
      [0, 'channel_not_found'],
      [45, 'new'],
    ]);
    expect(w.time.now()).toBe(60_000);
  });

  test('yields something at every heartbeat, and ends in time, if no other channel comes', async () => {
    const w = world('explicit');
    await createChannel(w);
    const end = await publish(w.log, 'old');
    await remove(w.log, CHANNEL);
    const moments: number[] = [];
    const reading = async () => {
      for await (const step of followOn(w.hold, CHANNEL, end, { ...options, lifetimeMs: 50_000 })) {
        moments.push(w.time.now());
        expect(step.held).toBeUndefined();
      }
    };
    await w.time.until(reading());
    expect(moments).toEqual([0, 15_000, 30_000, 45_000]);
    expect(w.time.now()).toBe(50_000);
  });

  test('still refuses a reader that never was in the channel, and an offset that never was', async () => {
    const w = world('explicit');
    for (const from of ['beginning', 'now'] as const)
      expect(await codeOf(w.time.until(sayings(w, from)))).toBe('channel_not_found');
    await createChannel(w);
    const { entry } = await publish(w.log, 'one');
    expect(await codeOf(w.time.until(sayings(w, { entry: entry - 1, index: 7 })))).toBe('bad_offset');
  });
});

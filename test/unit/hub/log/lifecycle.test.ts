/**
 * The lives of a channel: created, expired, deleted and created again; and how soon a reader polls it again (PROTOCOL.md §6).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { pollAfterSeconds } from '../../../../lambda/hub/log/channel.ts';
import { create, find, remove } from '../../../../lambda/hub/log/lifecycle.ts';
import { BEGINNING } from '../../../../protocol/offset.ts';
import { CHANNEL, codeOf, publish, readFrom, values } from '../../../support/domain/json-log.ts';
import { memoryLog } from '../../../support/domain/memory-log.ts';

describe('lives of a channel', () => {
  const request = { channel: CHANNEL, contentType: 'application/json', close: false, body: Buffer.from('') };

  test('a channel that is created again shows nothing of the deleted one, and refuses its offsets', async () => {
    const log = memoryLog();
    await publish(log, 1);
    const end = await publish(log, 2);
    await remove(log, CHANNEL);
    expect(values(await readFrom(log, 'beginning'))).toEqual([]);
    // A channel takes less than one publish each millisecond.
    log.now += 10;
    for (let n = 0; n < 5; n++) await publish(log, n);
    expect(values(await readFrom(log, 'beginning'))).toEqual([0, 1, 2, 3, 4]);
    expect(values(await readFrom(log, BEGINNING))).toEqual([0, 1, 2, 3, 4]);
    expect(await codeOf(readFrom(log, end))).toBe('offset_gone');
  });

  test('a TTL restarts with reads and writes; then the channel is gone, and an implicit publish creates a new one', async () => {
    const log = memoryLog();
    await create(log, { ...request, ttlSeconds: 10, expiresAt: undefined });
    log.now += 9_999;
    await publish(log, 1);
    log.now += 9_999;
    expect(values(await readFrom(log, 'beginning'))).toEqual([1]);
    log.now += 10_000;
    expect(await codeOf(remove(log, CHANNEL))).toBe('channel_not_found');
    await publish(log, 2);
    expect(values(await readFrom(log, 'beginning'))).toEqual([2]);
  });

  test('Expires-At does not restart', async () => {
    const log = memoryLog({ channelCreation: 'explicit' });
    const expiresAt = new Date(log.now + 10_000).toISOString();
    await create(log, { ...request, ttlSeconds: undefined, expiresAt });
    log.now += 9_999;
    await publish(log, 1);
    log.now += 1;
    expect(await codeOf(publish(log, 2))).toBe('channel_not_found');
    expect(await codeOf(readFrom(log, 'beginning'))).toBe('channel_not_found');
  });

  test('a creation with messages is all or nothing, wherever it crashes', async () => {
    for (const moment of ['before entries.put', 'after entries.put', 'before channels.create']) {
      const log = memoryLog({ channelCreation: 'explicit' });
      const wanted = {
        ...request,
        body: Buffer.from('["first"]'),
        ttlSeconds: undefined,
        expiresAt: undefined,
      };
      log.hook = (now) => {
        if (now === moment) throw new Error('crash');
      };
      await expect(create(log, wanted)).rejects.toThrow('crash');
      log.hook = () => {};
      expect(await codeOf(find(log, CHANNEL)), moment).toBe('channel_not_found');
      expect((await create(log, wanted)).created).toBe(true);
      expect(values(await readFrom(log, 'beginning'))).toEqual(['first']);
    }
  });

  test('of two requests that create a channel at once, one creates it and the other finds it', async () => {
    const log = memoryLog({ channelCreation: 'explicit' });
    const wanted = { ...request, ttlSeconds: undefined, expiresAt: undefined };
    const both = await Promise.all([create(log, wanted), create(log, wanted)]);
    expect(both.map(({ created }) => created).sort()).toEqual([false, true]);
    expect(await codeOf(create(log, { ...wanted, ttlSeconds: 5 }))).toBe('channel_exists');
  });
});

describe('the advice to a reader that polls', () => {
  test.each([
    [0, 1],
    [10_000, 1],
    [10_001, 2],
    [60_000, 6],
    [299_999, 30],
    [86_400_000, 30],
  ])('after a silence of %d ms is to ask again in %d s', async (silence, seconds) => {
    const log = memoryLog();
    await publish(log, 1);
    const channel = await find(log, CHANNEL);
    expect(pollAfterSeconds(channel, log.now + silence)).toBe(seconds);
    // The clock of the process that published may be ahead.
    expect(pollAfterSeconds(channel, log.now - 1_000)).toBe(1);
  });

  test('on a channel without a message is to ask again in 5 s', async () => {
    const log = memoryLog();
    expect(pollAfterSeconds(await find(log, CHANNEL), log.now)).toBe(5);
    await create(log, {
      channel: CHANNEL,
      contentType: 'text/plain',
      ttlSeconds: undefined,
      expiresAt: undefined,
      close: false,
      body: Buffer.from(''),
    });
    expect(pollAfterSeconds(await find(log, CHANNEL), log.now + 3_600_000)).toBe(5);
  });
});

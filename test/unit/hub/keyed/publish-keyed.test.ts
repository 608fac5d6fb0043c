/**
 * PROTOCOL.md §4.8: what a keyed channel accepts, and what the publish path costs.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { recent } from '../../../../lambda/hub/bounded-map.ts';
import { publishKeyed } from '../../../../lambda/hub/keyed/publish-keyed.ts';
import { append } from '../../../../lambda/hub/log/append.ts';
import { appendOnce } from '../../../../lambda/hub/log/idempotency-key.ts';
import { create, remove } from '../../../../lambda/hub/log/lifecycle.ts';
import type { Publishing } from '../../../../lambda/hub/log/log-ports.ts';
import { CHANNEL, codeOf, publish, readFrom, requestOf, values } from '../../../support/domain/json-log.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';

const KEYED = {
  channel: CHANNEL,
  contentType: 'application/json',
  streamKey: '/k',
  ttlSeconds: undefined,
  expiresAt: undefined,
  close: false,
  body: new Uint8Array(),
};
const [a, b, bad] = [{ k: 'a', n: 1 }, { k: 'b', n: 2 }, { n: 3 }];

async function keyedLog(): Promise<MemoryLog> {
  const log = memoryLog();
  await create(log, KEYED);
  return log;
}

/** Returns the store calls of some work, without their answers. */
async function callsOf(log: MemoryLog, work: () => Promise<unknown>): Promise<string[]> {
  const calls: string[] = [];
  log.hook = (moment) => {
    if (moment.startsWith('before ')) calls.push(moment.slice('before '.length));
  };
  await work();
  log.hook = () => {};
  return calls;
}

const PUBLISH = ['channels.reserve', 'entries.put', 'hint'];

/** Returns the same log in another process, which remembers nothing. */
const elsewhere = (log: MemoryLog): Publishing => ({ ...log, streamKeys: recent(10) });

describe('a keyed channel', () => {
  test('takes messages with the key, and nothing of a batch with one that has none', async () => {
    const log = await keyedLog();
    await publish(log, a, b);
    expect(await codeOf(publish(log, a, bad))).toBe('bad_key');
    expect(await codeOf(publish(elsewhere(log), bad))).toBe('bad_key');
    expect(await codeOf(append(log, requestOf([1])))).toBe('bad_key');
    const once = { key: 'x', fingerprint: 'x' };
    expect(await codeOf(appendOnce(log, requestOf([bad]), once))).toBe('bad_key');
    expect(values(await readFrom(log, 'beginning'))).toEqual([a, b]);
    expect((await log.channels.get(CHANNEL))?.next).toBe(2);
  });

  test('checks the body that it is created with, and is created once with its key', async () => {
    const log = memoryLog();
    const bodyOf = (...messages: object[]) => new TextEncoder().encode(JSON.stringify(messages));
    expect(await codeOf(create(log, { ...KEYED, body: bodyOf(a, bad) }))).toBe('bad_key');
    expect(await log.channels.get(CHANNEL)).toBeUndefined();
    expect((await create(log, { ...KEYED, body: bodyOf(a) })).created).toBe(true);
    expect((await create(log, KEYED)).created).toBe(false);
    for (const streamKey of [undefined, '/other'])
      expect(await codeOf(create(log, { ...KEYED, streamKey }))).toBe('channel_exists');
  });

  test('is closed without a message, and then refuses for that reason', async () => {
    const log = await keyedLog();
    await append(log, requestOf([], { close: true }));
    expect(await codeOf(publish(log, bad))).toBe('channel_closed');
  });

  test('says that the content type is wrong before it looks for keys', async () => {
    const log = await keyedLog();
    expect(await codeOf(append(log, requestOf([bad], { contentType: 'text/plain' })))).toBe(
      'content_type_mismatch',
    );
  });

  test('keeps its key through a silence as long as the retention', async () => {
    const log = await keyedLog();
    log.now += log.retentionMs;
    await publish(elsewhere(log), a);
    expect(await codeOf(publish(log, bad))).toBe('bad_key');
  });
});

describe('calls', () => {
  test('a publish costs the same with a key as without one, after the first of a process', async () => {
    const log = await keyedLog();
    const asked = ['channels.reserve', 'channels.get', ...PUBLISH];
    expect(await callsOf(log, () => publish(log, a))).toEqual(asked);
    expect(await callsOf(log, () => publish(log, b))).toEqual(PUBLISH);
    const plain = memoryLog();
    expect(await callsOf(plain, () => publish(plain, bad))).toEqual(PUBLISH);
    expect(await callsOf(plain, () => publish(plain, bad))).toEqual(PUBLISH);
  });

  test('a channel that was keyed and is created again without a key takes every message', async () => {
    const log = await keyedLog();
    await publish(log, a);
    await remove(log, CHANNEL);
    log.now += 1_000;
    expect(await callsOf(log, () => publish(log, bad))).toEqual(PUBLISH);
    expect(values(await readFrom(log, 'beginning'))).toEqual([bad]);
    expect(await callsOf(log, () => publish(log, a))).toEqual([
      'channels.reserve',
      'channels.get',
      ...PUBLISH,
    ]);
    expect(await callsOf(log, () => publish(log, a))).toEqual(PUBLISH);
  });
});

describe('the hub itself', () => {
  const own = { channel: CHANNEL, streamKey: '/k', messages: [a] };

  test('creates a keyed channel with its first publish, also where only PUT creates channels', async () => {
    const log = memoryLog({ channelCreation: 'explicit' });
    expect(await callsOf(log, () => publishKeyed(log, own))).toEqual(PUBLISH);
    expect(await callsOf(log, () => publishKeyed(elsewhere(log), own))).toEqual(PUBLISH);
    expect((await log.channels.get(CHANNEL))?.streamKey).toBe('/k');
    expect(values(await readFrom(log, 'beginning'))).toEqual([a, a]);
  });

  test('refuses its own messages without the key', async () => {
    const log = memoryLog();
    await publishKeyed(log, own);
    expect(await codeOf(publishKeyed(log, { ...own, messages: [a, bad] }))).toBe('bad_key');
    expect(values(await readFrom(log, 'beginning'))).toEqual([a]);
  });
});

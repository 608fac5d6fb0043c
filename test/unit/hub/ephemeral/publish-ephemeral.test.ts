/**
 * What is accepted as ephemeral, and what is sent to the push (PROTOCOL.md §4.7).
 * @module
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { ephemeralText } from '../../../../lambda/hub/ephemeral/post-ephemeral.ts';
import {
  type EphemeralRequest,
  ephemeralPublisher,
  type OutgoingEphemeral,
} from '../../../../lambda/hub/ephemeral/publish-ephemeral.ts';
import { append } from '../../../../lambda/hub/log/append.ts';
import { create, remove } from '../../../../lambda/hub/log/lifecycle.ts';
import {
  FRAME_BYTES,
  MAX_CHANNEL_LENGTH,
  MAX_EPHEMERAL_BYTES,
  MAX_SEGMENT_LENGTH,
} from '../../../../protocol/limits.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';

const CHANNEL = 'game/7';
const JSON_TYPE = 'application/json';

let log: MemoryLog;
let calls: string[];
let sent: OutgoingEphemeral[];
let publish: ReturnType<typeof ephemeralPublisher>;
beforeEach(() => begin(memoryLog()));

function begin(over: MemoryLog): void {
  log = over;
  calls = [];
  sent = [];
  publish = ephemeralPublisher(log, async (outgoing) => void sent.push(outgoing));
  log.hook = (moment) => void (moment.startsWith('before ') && calls.push(moment.slice('before '.length)));
}

const request = (text: string, more: Partial<EphemeralRequest> = {}): EphemeralRequest => ({
  channel: CHANNEL,
  contentType: JSON_TYPE,
  body: new TextEncoder().encode(text),
  ...more,
});
const plain = { ttlSeconds: undefined, expiresAt: undefined, close: false, body: new Uint8Array() };
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'accepted',
    ({ code }) => code,
  );

describe('messages', () => {
  test('are sent as they were published, with the time and an id of their own, and nothing is written', async () => {
    expect(await publish(request(' [ {"n": 1.00} ,"a\\u00e9", [1] ] '))).toBe(3);
    expect(await publish(request('{ "x":9007199254740993}'))).toBe(1);
    expect(sent).toEqual([
      { channel: CHANNEL, id: 'id-1', at: log.now, messages: ['{"n": 1.00}', '"a\\u00e9"', '[1]'] },
      { channel: CHANNEL, id: 'id-2', at: log.now, messages: ['{ "x":9007199254740993}'] },
    ]);
    expect(calls).toEqual(['channels.get']);
    expect(await log.channels.get(CHANNEL)).toBeUndefined();
  });

  test('carry the members of a stamp, and cannot pretend', async () => {
    const stamp = { members: { sender: 'sub', sentAt: 'time' }, sub: 'alice' } as const;
    await publish(request('{"x":1}', { stamp }));
    const time = new Date(log.now).toISOString();
    expect(sent[0]?.messages).toEqual([`{"sender":"alice","sentAt":"${time}","x":1}`]);
    for (const text of ['{"sender":"bob"}', '[{"x":1},{"sentAt":0}]', '1', '[[{}]]'])
      expect(await codeOf(publish(request(text, { stamp })))).toBe('reserved_member');
    expect(sent).toHaveLength(1);
  });

  test.each<[string, Partial<EphemeralRequest>, string]>([
    ['{', {}, 'bad_json'],
    ['[]', {}, 'empty_body'],
    ['x', { contentType: 'text/plain' }, 'bad_content_type'],
    ['{}', { contentType: 'application/octet-stream' }, 'bad_content_type'],
    ['{}', { contentType: undefined }, 'bad_content_type'],
    [`[${Array(1_001).fill(1).join()}]`, {}, 'too_large'],
  ])('such as %.20s are refused (%o)', async (text, more, code) => {
    expect(await codeOf(publish(request(text, more)))).toBe(code);
    expect([sent, calls]).toEqual([[], []]);
  });

  test('may have a length together, counted in bytes with their commas and stamps', async () => {
    const ofBytes = (bytes: number) => JSON.stringify('é'.repeat((bytes - 2) / 2));
    expect(await codeOf(publish(request(ofBytes(MAX_EPHEMERAL_BYTES))))).toBe('accepted');
    expect(await codeOf(publish(request(ofBytes(MAX_EPHEMERAL_BYTES + 2))))).toBe('too_large');
    const half = JSON.stringify('x'.repeat(MAX_EPHEMERAL_BYTES / 2 - 2));
    expect(await codeOf(publish(request(`[${half},${half}]`)))).toBe('too_large');
    expect(await codeOf(publish(request(`[${half},${half.replace('x', '')}]`)))).toBe('accepted');
    const stamp = { members: { sender: 'sub' }, sub: 'alice' } as const;
    const object = `{"x":"${'x'.repeat(MAX_EPHEMERAL_BYTES - 8)}"}`;
    expect(await codeOf(publish(request(object)))).toBe('accepted');
    expect(await codeOf(publish(request(object, { stamp })))).toBe('too_large');
  });

  test('fit into a frame that API Gateway bills as one, whatever the names', () => {
    const segments = Array.from({ length: 3 }, () => 'x'.repeat(MAX_SEGMENT_LENGTH));
    const channel = `${segments.join('/')}/${'x'.repeat(MAX_CHANNEL_LENGTH - 3 * (MAX_SEGMENT_LENGTH + 1))}`;
    const frame = ephemeralText(channel, channel.replace(/x$/, '*'), 'x'.repeat(MAX_EPHEMERAL_BYTES));
    expect(channel).toHaveLength(MAX_CHANNEL_LENGTH);
    expect(frame.length).toBeLessThanOrEqual(FRAME_BYTES);
  });
});

describe('the channel', () => {
  test.each([['text/plain'], ['application/octet-stream']])('of %s refuses them', async (contentType) => {
    await create(log, { channel: CHANNEL, contentType, ...plain });
    expect(await codeOf(publish(request('{}')))).toBe('bad_content_type');
  });

  test('that is closed refuses them, and says where it ended', async () => {
    const { nextOffset } = await append(log, {
      channel: CHANNEL,
      contentType: JSON_TYPE,
      seq: undefined,
      close: true,
      producer: undefined,
      body: new TextEncoder().encode('1'),
    });
    await expect(publish(request('{}'))).rejects.toMatchObject({
      code: 'channel_closed',
      headers: { 'Stream-Next-Offset': nextOffset },
    });
    expect(sent).toEqual([]);
  });

  test('must exist, or have not expired, if only PUT creates channels', async () => {
    begin(memoryLog({ channelCreation: 'explicit' }));
    expect(await codeOf(publish(request('{}')))).toBe('channel_not_found');
    await create(log, { channel: 'game/8', contentType: JSON_TYPE, ...plain, ttlSeconds: 5 });
    const other = request('{}', { channel: 'game/8' });
    expect(await codeOf(publish(other))).toBe('accepted');
    log.now += 5_000;
    expect(await codeOf(publish(other))).toBe('channel_not_found');
  });

  test('is read once in ten seconds, and its lifetime goes on', async () => {
    await create(log, { channel: CHANNEL, contentType: JSON_TYPE, ...plain, ttlSeconds: 3_600 });
    const before = await log.channels.get(CHANNEL);
    calls.length = 0;
    for (let second = 0; second < 20; second++) {
      await publish(request('{}'));
      log.now += 1_000;
    }
    expect(calls).toEqual(['channels.get', 'channels.get']);
    expect(await log.channels.get(CHANNEL)).toEqual(before);
  });

  test('that was deleted and created again with another type refuses them after ten seconds at most', async () => {
    await create(log, { channel: CHANNEL, contentType: JSON_TYPE, ...plain });
    await publish(request('{}'));
    await remove(log, CHANNEL);
    await create(log, { channel: CHANNEL, contentType: 'text/plain', ...plain });
    log.now += 10_000;
    expect(await codeOf(publish(request('{}')))).toBe('bad_content_type');
  });

  test('whose store is busy is an answer that the caller can repeat', async () => {
    log.hook = () => {
      throw Object.assign(new Error('busy'), { code: 'unavailable' });
    };
    expect(await codeOf(publish(request('{}')))).toBe('unavailable');
    expect(sent).toEqual([]);
  });
});

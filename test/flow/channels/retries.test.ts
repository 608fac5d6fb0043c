/**
 * PROTOCOL.md §4.3 to §4.5 over the wire: publishes that may be retried, and closing.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { callerWith, EVERYTHING, newChannel, refusalOf, throughBusy } from '../../support/wire/wire.ts';

const JSON_TYPE = { 'Content-Type': 'application/json' };

const hub = callerWith(EVERYTHING);

const post = (channel: string, headers: Record<string, string>, body = '') =>
  hub.request(`/channels/${channel}`, { method: 'POST', headers, body });

const headersOf = (response: Response, ...names: string[]) => names.map((name) => response.headers.get(name));

describe('Idempotency-Key', () => {
  test('twenty retries at once append once, and all get the same offset', async () => {
    const channel = newChannel();
    const headers = { ...JSON_TYPE, 'Idempotency-Key': 'order-17' };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => throughBusy(() => post(channel, headers, '{"n":1}'))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]));
    expect(new Set(answers.map((answer) => answer.headers.get('Stream-Next-Offset'))).size).toBe(1);
    expect((await hub.readAll(channel)).messages).toEqual([{ n: 1 }]);
  });

  test('the same key with another body, type or sequence is refused', async () => {
    const channel = newChannel();
    const headers = { ...JSON_TYPE, 'Idempotency-Key': 'k' };
    await post(channel, headers, '1');
    expect(await refusalOf(await post(channel, headers, '2'))).toEqual([409, 'key_reused']);
    expect(await refusalOf(await post(channel, { ...headers, 'Stream-Seq': '1' }, '1'))).toEqual([
      409,
      'key_reused',
    ]);
    expect((await post(channel, { ...headers, 'Idempotency-Key': 'other' }, '2')).status).toBe(204);
    expect((await hub.readAll(channel)).messages).toEqual([1, 2]);
  });
});

test('an idempotent producer is told whether a publish was new, and its last sequence number', async () => {
  const channel = newChannel();
  const producer = (epoch: number, seq: number) => ({
    ...JSON_TYPE,
    'Producer-Id': 'p',
    'Producer-Epoch': String(epoch),
    'Producer-Seq': String(seq),
  });
  const statuses = [];
  for (const [epoch, seq] of [
    [0, 0],
    [0, 1],
    [0, 0],
    [1, 0],
    [0, 2],
  ] as const) {
    const answer = await post(channel, producer(epoch, seq), `"${epoch}:${seq}"`);
    statuses.push([answer.status, ...headersOf(answer, 'Producer-Epoch', 'Producer-Seq')]);
  }
  expect(statuses).toEqual([
    [200, '0', '0'],
    [200, '0', '1'],
    [204, '0', '1'],
    [200, '1', '0'],
    [403, '1', null],
  ]);
  expect((await hub.readAll(channel)).messages).toEqual(['0:0', '0:1', '1:0']);
});

describe('closing', () => {
  test('is in every read that reaches the end, and changes the ETag', async () => {
    const channel = newChannel();
    await hub.publish(channel, 1);
    const open = await hub.read(channel);
    const closing = await post(channel, { 'Stream-Closed': 'true' });
    expect([closing.status, ...headersOf(closing, 'Stream-Closed')]).toEqual([204, 'true']);
    const headers = { 'If-None-Match': open.headers.get('ETag') ?? '' };
    const again = await hub.request(`/channels/${channel}?offset=-1`, { headers });
    expect([again.status, ...headersOf(again, 'Stream-Closed', 'Stream-Up-To-Date')]).toEqual([
      200,
      'true',
      'true',
    ]);
    const head = await hub.request(`/channels/${channel}`, { method: 'HEAD' });
    expect(headersOf(head, 'Stream-Closed')).toEqual(['true']);
  });

  test('refuses later appends, with the offset of the end', async () => {
    const channel = newChannel();
    const last = await post(channel, { ...JSON_TYPE, 'Stream-Closed': 'TRUE' }, '1');
    const end = last.headers.get('Stream-Next-Offset');
    const refused = await hub.publish(channel, 2);
    expect(headersOf(refused, 'Stream-Closed', 'Stream-Next-Offset')).toEqual(['true', end]);
    expect(await refusalOf(refused)).toEqual([409, 'channel_closed']);
    expect((await hub.readAll(channel)).messages).toEqual([1]);
  });

  test('only the value "true" closes', async () => {
    const channel = newChannel();
    for (const value of ['false', 'yes', '1'])
      await post(channel, { ...JSON_TYPE, 'Stream-Closed': value }, '1');
    expect((await hub.publish(channel, 2)).status).toBe(204);
  });
});

/**
 * PROTOCOL.md §9 over the wire: every refusal has its status, its code and its form, and writes nothing.
 * @module
 */
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type Caller,
  callerWith,
  EVERYTHING,
  newChannel,
  refusalOf,
  token,
} from '../../support/wire/wire.ts';

const JSON_TYPE = { 'Content-Type': 'application/json' };

const hub = callerWith(EVERYTHING);
const channel = newChannel();
beforeAll(async () => {
  await hub.publish(channel, 'first');
});

describe('of the request', () => {
  const post = (headers: Record<string, string>, body: string | Buffer) => ({
    method: 'POST',
    headers,
    body,
  });
  const put = (headers: Record<string, string>) => ({ method: 'PUT', headers });
  const producer = (id: string, epoch: string, seq: string) => ({
    ...JSON_TYPE,
    'Producer-Id': id,
    'Producer-Epoch': epoch,
    'Producer-Seq': seq,
  });

  const ROWS: readonly (readonly [string, (c: string) => [string, RequestInit?], number, string])[] = [
    ['bad channel name', () => ['/channels/a*b'], 400, 'bad_channel'],
    ['a ninth segment', () => ['/channels/a/b/c/d/e/f/g/h/i'], 400, 'bad_channel'],
    ['an empty segment', () => ['/channels/a//b'], 400, 'bad_channel'],
    [
      '30 February',
      (c) => [`/channels/${c}`, put({ 'Stream-Expires-At': '2030-02-30T00:00:00Z' })],
      400,
      'bad_request',
    ],
    [
      'a compressed body',
      (c) => [`/channels/${c}`, post({ ...JSON_TYPE, 'Content-Encoding': 'gzip' }, '1')],
      501,
      'not_supported',
    ],
    [
      'text that lost a byte',
      (c) => [`/channels/${c}`, post(JSON_TYPE, Buffer.from('"ab\u{1f600}"').subarray(0, 6))],
      400,
      'bad_request',
    ],
    ['bad JSON', (c) => [`/channels/${c}`, post(JSON_TYPE, '{"a":')], 400, 'bad_json'],
    [
      'JSON that is not UTF-8',
      (c) => [`/channels/${c}`, post(JSON_TYPE, Buffer.from([34, 255, 34]))],
      400,
      'bad_request',
    ],
    ['an empty batch', (c) => [`/channels/${c}`, post(JSON_TYPE, '[]')], 400, 'empty_body'],
    ['no body', (c) => [`/channels/${c}`, { method: 'POST', headers: JSON_TYPE }], 400, 'empty_body'],
    [
      'a malformed content type',
      (c) => [`/channels/${c}`, post({ 'Content-Type': 'json' }, '1')],
      400,
      'bad_content_type',
    ],
    [
      'another content type',
      (c) => [`/channels/${c}`, post({ 'Content-Type': 'text/plain' }, '1')],
      409,
      'content_type_mismatch',
    ],
    [
      'what curl -d sends',
      () => [
        `/channels/${newChannel()}`,
        post({ 'Content-Type': 'application/x-www-form-urlencoded' }, '{}'),
      ],
      409,
      'content_type_mismatch',
    ],
    [
      'a message too large',
      (c) => [`/channels/${c}`, post(JSON_TYPE, `"${'x'.repeat(131_072)}"`)],
      413,
      'too_large',
    ],
    [
      'a request too large',
      (c) => [`/channels/${c}`, post(JSON_TYPE, `[${'"x",'.repeat(70_000)}1]`)],
      413,
      'too_large',
    ],
    [
      'too many messages',
      (c) => [`/channels/${c}`, post(JSON_TYPE, `[${'1,'.repeat(1_000)}1]`)],
      413,
      'too_large',
    ],
    ['a malformed offset', (c) => [`/channels/${c}?offset=12`], 400, 'bad_offset'],
    ['an empty offset', (c) => [`/channels/${c}?offset=`], 400, 'bad_offset'],
    ['two offsets', (c) => [`/channels/${c}?offset=-1&offset=-1`], 400, 'bad_offset'],
    ['an offset past the end', (c) => [`/channels/${c}?offset=0000000099990000`], 410, 'offset_gone'],
    ['a TTL with a sign', (c) => [`/channels/${c}`, put({ 'Stream-TTL': '+5' })], 400, 'bad_request'],
    [
      'a TTL of centuries',
      (c) => [`/channels/${c}`, put({ 'Stream-TTL': '99999999999' })],
      400,
      'bad_request',
    ],
    [
      'TTL and Expires-At',
      (c) => [`/channels/${c}`, put({ 'Stream-TTL': '5', 'Stream-Expires-At': '2030-01-01T00:00:00Z' })],
      400,
      'bad_request',
    ],
    [
      'a malformed date',
      (c) => [`/channels/${c}`, put({ 'Stream-Expires-At': '2030-13-01T00:00:00Z' })],
      400,
      'bad_request',
    ],
    [
      'forking',
      (c) => [`/channels/${c}`, put({ 'Stream-Forked-From': '/channels/x' })],
      501,
      'not_supported',
    ],
    [
      'an Idempotency-Key too long',
      (c) => [`/channels/${c}`, post({ ...JSON_TYPE, 'Idempotency-Key': 'k'.repeat(256) }, '1')],
      400,
      'bad_request',
    ],
    [
      'half a producer',
      (c) => [`/channels/${c}`, post({ ...JSON_TYPE, 'Producer-Id': 'p' }, '1')],
      400,
      'bad_request',
    ],
    [
      'a producer without a name',
      (c) => [`/channels/${c}`, post(producer('', '0', '0'), '1')],
      400,
      'bad_request',
    ],
    [
      'a fractional epoch',
      (c) => [`/channels/${c}`, post(producer('p', '0.5', '0'), '1')],
      400,
      'bad_request',
    ],
    [
      'a sequence beyond 2^53',
      (c) => [`/channels/${c}`, post(producer('p', '0', '9007199254740992'), '1')],
      400,
      'bad_request',
    ],
    ['a sequence gap', (c) => [`/channels/${c}`, post(producer('p', '0', '7'), '1')], 409, 'producer_gap'],
    [
      'a producer and a key',
      (c) => [`/channels/${c}`, post({ ...producer('p', '0', '0'), 'Idempotency-Key': 'k' }, '1')],
      400,
      'bad_request',
    ],
    ['an unknown method', (c) => [`/channels/${c}`, { method: 'PATCH' }], 405, 'method_not_allowed'],
    ['an unknown path', () => ['/channel/x'], 404, 'route_not_found'],
    ['the root', () => ['/'], 404, 'route_not_found'],
  ];

  test.each(ROWS)('%s', async (_name, make, status, code) => {
    const [path, init] = make(channel);
    expect(await refusalOf(await hub.request(path, init))).toEqual([status, code]);
    expect((await hub.readAll(channel)).messages).toEqual(['first']);
  });

  test('a sequence that does not rise', async () => {
    const own = newChannel();
    const post = (seq: string) =>
      hub.request(`/channels/${own}`, {
        method: 'POST',
        headers: { ...JSON_TYPE, 'Stream-Seq': seq },
        body: '1',
      });
    expect((await post('b')).status).toBe(204);
    expect(await refusalOf(await post('b'))).toEqual([409, 'sequence_regression']);
    expect(await refusalOf(await post('a'))).toEqual([409, 'sequence_regression']);
    expect((await post('c')).status).toBe(204);
    expect((await hub.readAll(own)).messages).toEqual([1, 1]);
  });

  test('405 names the methods', async () => {
    const response = await hub.request(`/channels/${channel}`, { method: 'PATCH' });
    expect(response.headers.get('Allow')).toBe('GET, HEAD, POST, PUT, DELETE, OPTIONS');
  });
});

describe('of the caller', () => {
  const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'] as const;

  async function attempt(caller: Caller, method: string, name: string): Promise<[number, string]> {
    const init =
      method === 'POST' || method === 'PUT' ? { method, headers: JSON_TYPE, body: '1' } : { method };
    const response = await caller.request(`/channels/${name}`, init);
    return method === 'HEAD' ? [response.status, ''] : await refusalOf(response);
  }

  test.each(METHODS)('%s without a token is 401, and says how to authenticate', async (method) => {
    const [status, code] = await attempt(callerWith(undefined), method, channel);
    expect([status, code || 'unauthorized']).toEqual([401, 'unauthorized']);
  });

  test.each(METHODS)(
    '%s with a token for elsewhere is 403, whether the channel exists or not',
    async (method) => {
      const other = callerWith({
        'elsewhere/*': ['publish', 'subscribe', 'manage'],
        [`${channel}x`]: ['publish'],
      });
      const existing = await attempt(other, method, channel);
      expect(existing[0]).toBe(403);
      expect(await attempt(other, method, newChannel())).toEqual(existing);
    },
  );

  test('each operation needs its own grant', async () => {
    const publisher = callerWith({ [channel]: ['publish'] });
    const subscriber = callerWith({ [channel]: ['subscribe'] });
    expect((await attempt(publisher, 'GET', channel))[0]).toBe(403);
    expect((await attempt(publisher, 'DELETE', channel))[0]).toBe(403);
    expect((await attempt(subscriber, 'POST', channel))[0]).toBe(403);
    expect((await subscriber.readAll(channel)).messages).toEqual(['first']);
  });

  test('anonymous callers may do what the configuration says and no more', async () => {
    const open = newChannel('public');
    await hub.publish(open, 'news');
    const anonymous = callerWith(undefined);
    expect((await anonymous.readAll(open)).messages).toEqual(['news']);
    expect((await attempt(anonymous, 'POST', open))[0]).toBe(401);
    expect((await callerWith({}).readAll(open)).messages).toEqual(['news']);
  });

  /** AWS renames the header in answers of a function URL, and may do so in answers of an HTTP API. */
  test.each(['application/json', 'text/event-stream'])(
    '401 to %s has a challenge, under its own name or the name that AWS gives it',
    async (accept) => {
      const { headers, status } = await callerWith(undefined).request(`/channels/${channel}`, {
        headers: { Accept: accept },
      });
      expect([
        status,
        headers.get('WWW-Authenticate') ?? headers.get('x-amzn-Remapped-www-authenticate'),
      ]).toEqual([401, 'Bearer realm="tidings"']);
    },
  );

  test('a bad token is refused even if no token is needed', async () => {
    const open = newChannel('public');
    const good = await token(EVERYTHING);
    const [header = '', payload = ''] = good.split('.');
    const forged = [
      '',
      'Bearer',
      'Bearer x',
      `Basic ${good}`,
      `Bearer ${good} x`,
      `Bearer ${header}.${payload}.`,
    ];
    for (const authorization of forged.slice(1)) {
      const response = await hub.request(`/channels/${open}`, { headers: { Authorization: authorization } });
      expect(await refusalOf(response), authorization).toEqual([401, 'unauthorized']);
    }
    const expired = `Bearer ${await token(EVERYTHING, -60)}`;
    const response = await hub.request(`/channels/${open}`, { headers: { Authorization: expired } });
    expect(await refusalOf(response)).toEqual([401, 'unauthorized']);
  });
});

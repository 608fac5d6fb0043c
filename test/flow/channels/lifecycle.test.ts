/**
 * PROTOCOL.md §6 and §10 over the wire: create, describe, expire, delete, and the headers for browsers.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { callerWith, EVERYTHING, newChannel, refusalOf } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);

const put = (channel: string, headers: Record<string, string> = {}, body?: string) =>
  hub.request(`/channels/${channel}`, { method: 'PUT', headers, ...(body === undefined ? {} : { body }) });

test('create with content, find it again, and describe it', async () => {
  const channel = newChannel();
  const headers = { 'Content-Type': 'application/json', 'Stream-TTL': '3600' };
  const created = await put(channel, headers, '[1,2]');
  expect(created.status).toBe(201);
  expect(created.headers.get('Location')).toMatch(new RegExp(`^http.*/channels/${channel}$`));
  expect((await put(channel, headers, '[3]')).status).toBe(200);
  expect((await hub.readAll(channel)).messages).toEqual([1, 2]);
  const head = await hub.request(`/channels/${channel}`, { method: 'HEAD' });
  expect(Object.fromEntries(head.headers)).toMatchObject({
    'content-type': 'application/json',
    'stream-ttl': '3600',
    'cache-control': 'no-store',
    'stream-next-offset': created.headers.get('Stream-Next-Offset'),
  });
  expect(await refusalOf(await put(channel, { ...headers, 'Stream-TTL': '60' }))).toEqual([
    409,
    'channel_exists',
  ]);
});

test('a channel that is created without a content type is bytes', async () => {
  const channel = newChannel();
  expect((await put(channel)).headers.get('Content-Type')).toBe('application/octet-stream');
});

test('a channel that is deleted and created again starts at the beginning, and refuses the old offsets', async () => {
  const channel = newChannel();
  await hub.publish(channel, 1);
  const { next } = await hub.readAll(channel);
  expect((await hub.request(`/channels/${channel}`, { method: 'DELETE' })).status).toBe(204);
  expect(await refusalOf(await hub.request(`/channels/${channel}`, { method: 'DELETE' }))).toEqual([
    404,
    'channel_not_found',
  ]);
  expect(await refusalOf(await hub.read(channel, next))).toEqual([410, 'offset_gone']);
  expect((await hub.readAll(channel)).messages).toEqual([]);
});

describe('browsers', () => {
  test('may call from any origin with a header, and never with ambient credentials', async () => {
    const response = await hub.request(`/channels/${newChannel()}`, {
      method: 'OPTIONS',
      headers: { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST' },
    });
    expect(response.status).toBe(204);
    const headers = Object.fromEntries(response.headers);
    expect(headers['access-control-allow-origin']).toBe('*');
    expect(headers['access-control-allow-methods']).toContain('POST');
    expect(headers['access-control-allow-headers']?.toLowerCase()).toContain('authorization');
    expect(headers['access-control-allow-credentials']).toBeUndefined();
  });

  test.each([
    '/channels',
    '/channels/a',
    '/v1/stream/a',
    '/events',
    '/tickets',
    '/webhooks',
    '/webhooks/a',
    '/webhooks/a/test',
    '/connections',
  ])('may send to %s the headers that libraries for tracing add to every request', async (path) => {
    const asked =
      'authorization,traceparent,tracestate,baggage,sentry-trace,cache-control,pragma,x-requested-with,x-datadog-trace-id';
    const response = await hub.request(path, {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://app.example',
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': asked,
      },
    });
    expect(response.status).toBe(204);
    const allowed = (response.headers.get('Access-Control-Allow-Headers') ?? '').toLowerCase().split(', ');
    expect(allowed).toEqual(expect.arrayContaining([...asked.split(','), 'stream-seq', 'idempotency-key']));
    expect(new Set(allowed).size).toBe(allowed.length);
    expect(allowed).not.toContain('*');
  });

  test('are not allowed a header whose name is malformed', async () => {
    const headers = {
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'x-fine, a b,,x@y, "q", x-fine',
    };
    const response = await hub.request('/channels/a', { method: 'OPTIONS', headers });
    expect(response.headers.get('Access-Control-Allow-Headers')).toMatch(/, x-fine$/);
  });

  test('may see the offset, and must treat content as data', async () => {
    const channel = newChannel();
    const headers = { 'Content-Type': 'text/html' };
    await hub.request(`/channels/${channel}`, { method: 'POST', headers, body: '<script>1</script>' });
    for (const response of [await hub.read(channel), await hub.request('/nowhere')]) {
      expect(response.headers.get('Access-Control-Expose-Headers')).toContain('Stream-Next-Offset');
      expect(response.headers.get('X-Content-Type-Options')).toBe('nosniff');
      expect(response.headers.get('Content-Security-Policy')).toContain('sandbox');
      expect(response.headers.get('Cross-Origin-Resource-Policy')).toBe('cross-origin');
    }
  });
});

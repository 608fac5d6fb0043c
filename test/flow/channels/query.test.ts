/**
 * PROTOCOL.md §1 over the wire: a query parameter that the hub does not know is refused by its name, on every route.
 * @module
 */
import { beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { openStream } from '../../support/wire/event-stream.ts';
import { statusOf } from '../../support/wire/socket.ts';
import { callerWith, EVERYTHING, newChannel, refusalOf, token } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);
const channel = newChannel();
beforeAll(async () => {
  await hub.publish(channel, 'first');
});

const JSON_TYPE = { 'Content-Type': 'application/json' };
interface Route {
  readonly method: string;
  readonly path: string;
  readonly init?: RequestInit;
}

const onWebhook = (method: string, below: string): Route => ({
  method,
  path: `/webhooks/none${below}`,
  init: method === 'PATCH' ? { headers: JSON_TYPE, body: '{}' } : {},
});

/** Every route, with what a good answer needs. CHANNEL is a channel that exists. */
const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/channels/CHANNEL' },
  { method: 'HEAD', path: '/channels/CHANNEL' },
  { method: 'POST', path: '/channels/CHANNEL', init: { headers: JSON_TYPE, body: '1' } },
  { method: 'PUT', path: '/channels/CHANNEL', init: { headers: JSON_TYPE } },
  { method: 'DELETE', path: '/channels/CHANNEL/none' },
  { method: 'GET', path: '/channels/CHANNEL?offset=-1&live=long-poll' },
  { method: 'GET', path: '/channels/CHANNEL?offset=-1&live=sse' },
  { method: 'GET', path: '/channels/CHANNEL', init: { headers: { Accept: 'text/event-stream' } } },
  { method: 'GET', path: '/events?channel=CHANNEL' },
  { method: 'POST', path: '/tickets' },
  { method: 'GET', path: '/connections' },
  { method: 'DELETE', path: '/connections?principal=nobody' },
  { method: 'GET', path: '/webhooks' },
  { method: 'POST', path: '/webhooks', init: { headers: JSON_TYPE, body: '{}' } },
  ...['GET', 'PATCH', 'DELETE'].map((method) => onWebhook(method, '')),
  ...['enable', 'rotate', 'test', 'handshake', 'replay', 'recover', 'deliveries/none/retry'].map((action) =>
    onWebhook('POST', `/${action}`),
  ),
  ...['/deliveries', '/deliveries/none'].map((below) => onWebhook('GET', below)),
];

/** Returns the answer, although other tests use the route at this moment: the gateway counts all callers together (§8). */
async function answerOf({ method, path, init = {} }: Route, parameter?: string): Promise<Response> {
  const plain = path.replace('CHANNEL', channel);
  const mark = plain.includes('?') ? '&' : '?';
  const target = parameter === undefined ? plain : `${plain}${mark}${parameter}`;
  return await vi.waitFor(async () => {
    const response = await hub.request(target, { ...init, method });
    if (response.status === 429) throw new Error('too many requests on this route');
    return response;
  }, 60_000);
}

async function expectRefused(route: Route, parameter: string): Promise<void> {
  const response = await answerOf(route, parameter);
  expect(response.status).toBe(400);
  if (route.method === 'HEAD') return;
  const text = await response.clone().text();
  expect(await refusalOf(response)).toEqual([400, 'bad_request']);
  const name = decodeURIComponent(parameter.split('=')[0] ?? '');
  expect(JSON.parse(text).error.message).toContain(JSON.stringify(name));
}

describe.each(ROUTES)('$method $path', (route) => {
  test('refuses a parameter that it does not know, and names it', async () => {
    await expectRefused(route, 'foo=1');
  });

  test('ignores _, which libraries add against caches', async () => {
    const statusOfAnswer = async (parameter?: string) => {
      const response = await answerOf(route, parameter);
      await response.body?.cancel();
      return response.status;
    };
    expect(await statusOfAnswer('_=1700000000000')).toBe(await statusOfAnswer());
  });
});

test.each(['offest=now', 'Offset=now', '__proto__=1', 'constructor', 'a%20b=1', 'utm_source=x', '=', '__=1'])(
  '%s is refused, and named',
  async (parameter) => {
    await expectRefused({ method: 'GET', path: '/channels/CHANNEL' }, parameter);
    await expectRefused({ method: 'GET', path: '/events?channel=CHANNEL' }, parameter);
  },
);

test('a refused request writes nothing', async () => {
  const other = newChannel();
  const init = { method: 'POST', headers: JSON_TYPE, body: '1' };
  expect((await hub.request(`/channels/${other}?key=1`, init)).status).toBe(400);
  expect((await hub.readAll(other)).messages).toEqual([]);
});

test('the path of Durable Streams ignores unknown parameters, as that protocol demands, except tokens', async () => {
  const own = newChannel();
  await hub.publish(own, 'first');
  const response = await hub.request(`/v1/stream/${own}?offset=-1&foo=bar&baz=qux`);
  expect([response.status, await response.json()]).toEqual([200, ['first']]);
  const stream = await openStream(hub, `/v1/stream/${own}?offset=-1&live=sse&foo=bar`);
  expect((await stream.next())?.data).toBe('["first"]');
  await stream.close();
  expect((await hub.request(`/v1/stream/${own}?token=x`)).status).toBe(400);
});

test.each([
  ['offset', `offset=-1&offset=now`, 400],
  ['cursor', `offset=-1&live=long-poll&cursor=1&cursor=2`, 400],
  ['lastEventId without a stream', `lastEventId=0000000000000000`, 400],
  ['lastEventId with live=sse', `offset=-1&live=sse&lastEventId=0000000000000000`, 400],
  ['all of them once', `offset=-1&live=long-poll&cursor=1`, 200],
])('%s', async (_name, query, status) => {
  const response = await hub.request(`/channels/${channel}?${query}`);
  expect(response.status).toBe(status);
  await response.body?.cancel();
});

test('an unknown path is 404, and a preflight is answered whatever it asks for', async () => {
  expect(await refusalOf(await hub.request('/nowhere?foo=1'))).toEqual([404, 'route_not_found']);
  const preflight = { method: 'OPTIONS', headers: { 'Access-Control-Request-Method': 'GET' } };
  expect((await hub.request(`/channels/${channel}?foo=1`, preflight)).status).toBe(204);
});

test('a socket is not opened with an unknown parameter', async () => {
  const { socketUrl } = inject('hub');
  const headers = { Authorization: `Bearer ${await token(EVERYTHING)}` };
  expect(await statusOf({ url: `${socketUrl}?foo=1`, headers })).toBe(400);
  expect(await statusOf({ url: `${socketUrl}?_=1`, headers })).toBe(101);
});

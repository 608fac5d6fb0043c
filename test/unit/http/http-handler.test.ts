/**
 * The edge of the HTTP handlers, with requests that CloudFront would not pass on.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { parseOrigins } from '../../../lambda/access/origins.ts';
import { accessTo } from '../../../lambda/access/verify.ts';
import { channelRoutes } from '../../../lambda/http/channel-routes.ts';
import { httpHandler } from '../../../lambda/http/http-handler.ts';
import { holdMsOf } from '../../../lambda/http/parse-read.ts';
import { cursorAfter } from '../../../lambda/http/streams/stream-cursor.ts';

const seen: string[] = [];
const arrivals: unknown[] = [];
const routes = channelRoutes({
  access: accessTo({
    keys: async () => [],
    audience: 'a',
    anonymous: { '*': ['subscribe'] },
    clock: () => 0,
  }),
  origins: parseOrigins('*'),
  logDefect: () => {},
  logRefusal: () => {},
  routes: {
    GET: {
      operation: 'subscribe',
      parameters: ['offset'],
      answer: async ({ channel, arrivedAt }) => {
        seen.push(channel);
        arrivals.push(arrivedAt);
        return new Response(null, { status: 204 });
      },
    },
  },
});
const handler = httpHandler(routes);

const event = (method: string, rawPath: string, more: object = {}) => ({
  version: '2.0',
  rawPath,
  rawQueryString: '',
  headers: {},
  isBase64Encoded: false,
  requestContext: { domainName: 'hub.example', http: { method } },
  ...more,
});

async function answerOf(...request: Parameters<typeof event>): Promise<[number, unknown]> {
  const { statusCode, body } = await handler(event(...request));
  return [statusCode, body === '' ? '' : JSON.parse(body).error.code];
}

test.each(['TRACE', 'TRACK', 'CONNECT', 'PROPFIND', 'constructor', '__proto__', 'toString'])(
  '%s is a method that channels do not know',
  async (method) => {
    expect((await answerOf(method, '/channels/a'))[1]).toBe('method_not_allowed');
  },
);

describe('paths', () => {
  test.each([
    '/channels/a\\b',
    '/channels/a%5cb',
    '/channels/a\tb',
    '/channels/a%09b',
    '/channels/a%252Fb',
    '/channels/a?b',
    '/channels/a%3Fb',
    '/channels/a/../b',
    '/channels/a/%2e%2e/b',
    '/channels/./a',
    '/channels/a#b',
    '/channels/ä',
    '/channels/%',
  ])('%j is refused, and not changed into another path', async (path) => {
    seen.length = 0;
    expect(await answerOf('GET', path)).toEqual([400, 'bad_channel']);
    expect(seen).toEqual([]);
  });

  test.each([
    ['/channels/a/b', 'a/b'],
    ['/channels/a%2Fb', 'a/b'],
    ['/v1/stream/%7Ea', '~a'],
  ])('%s names the channel %s', async (path, channel) => {
    seen.length = 0;
    expect(await answerOf('GET', path)).toEqual([204, '']);
    expect(seen).toEqual([channel]);
  });
});

test('an event that is not HTTP is an error of the template', async () => {
  await expect(handler({ Records: [] })).rejects.toThrow('not an HTTP event');
});

test('a header that a web request cannot have is refused', async () => {
  expect(await answerOf('GET', '/channels/a', { headers: { 'x-odd': 'a\u2603' } })).toEqual([
    400,
    'bad_request',
  ]);
});

test.each([
  ['wait=5', 5_000],
  ['respond-async, wait = "3"', 3_000],
  ['wait=0', 0],
  ['wait=600', 25_000],
  ['await=5', 25_000],
  ['wait=-5', 25_000],
  ['wait=5.5', 25_000],
  ['', 25_000],
])('Prefer: %j holds %i ms', (prefer, ms) => {
  expect(holdMsOf(new Request('http://a', { headers: { Prefer: prefer } }), 25_000, 0)).toBe(ms);
});

test.each([
  ['', 14_000, 11_000],
  ['wait=5', 14_000, 5_000],
  ['wait=20', 14_000, 11_000],
  ['', 40_000, 0],
  ['', -3, 25_000],
])('Prefer: %j of a request that has waited %i ms for a process holds %i ms', (prefer, lateMs, ms) => {
  expect(holdMsOf(new Request('http://a', { headers: { Prefer: prefer } }), 25_000, lateMs)).toBe(ms);
});

test('a route gets the time at which the gateway received the request', async () => {
  const http = { method: 'GET' };
  await handler(event('GET', '/channels/a', { requestContext: { http, timeEpoch: 1_000 } }));
  expect(arrivals.at(-1)).toBe(1_000);
  await handler(event('GET', '/channels/a'));
  expect(arrivals.at(-1)).toBeUndefined();
});

test('a cursor is that of its time, or a later one than the client’s', () => {
  const now = Date.UTC(2024, 9, 9) + 1_000 * 20_000;
  expect(cursorAfter(undefined, now, () => 0)).toBe('1000');
  expect(cursorAfter('999', now, () => 0)).toBe('1000');
  expect(cursorAfter('1000', now, () => 0)).toBe('1001');
  expect(cursorAfter('5000', now, () => 0.99)).toBe('5179');
  expect(cursorAfter('x', now, () => 0)).toBe('1000');
});

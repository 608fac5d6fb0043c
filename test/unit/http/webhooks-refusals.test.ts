/**
 * Bad requests to the routes of PROTOCOL.md §13: each is a refusal that names the mistake, and never a defect.
 * @module
 */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  MAX_DESCRIPTION_LENGTH,
  MAX_PAGE,
  MAX_TYPE_LENGTH,
  MAX_WEBHOOK_CHANNELS,
  MAX_WEBHOOK_RATE,
  MAX_WEBHOOK_REQUEST_BYTES,
  MAX_WEBHOOK_TYPES,
  MAX_WEBHOOK_URL_LENGTH,
} from '../../../protocol/limits.ts';
import {
  ENDPOINT_ROUTES,
  type HandlerWorld,
  HUB_HOST,
  handlerWorld,
  RECEIVER,
} from '../../support/webhooks/webhook-handler.ts';

let world: HandlerWorld;
beforeEach(() => {
  world = handlerWorld();
});

const many = (count: number) => Array.from({ length: count }, (_, nth) => `orders/${nth}`);
const typed = (count: number) => Array.from({ length: count }, (_, nth) => `t${nth}`);

describe('members', () => {
  test.each([
    ['url', undefined, 'bad_request'],
    ['url', 7, 'bad_request'],
    ['url', 'http://receiver.example.com/', 'bad_webhook_url'],
    ['url', 'https://me@receiver.example.com/', 'bad_webhook_url'],
    ['url', 'https://receiver.example.com:22/', 'bad_webhook_url'],
    ['url', `${RECEIVER}/${'x'.repeat(MAX_WEBHOOK_URL_LENGTH)}`, 'bad_webhook_url'],
    ['url', 'https://10.0.0.1/', 'address_not_allowed'],
    ['url', `https://${HUB_HOST}/channels/orders/1`, 'address_not_allowed'],
    ['channels', undefined, 'bad_request'],
    ['channels', 'orders/*', 'bad_request'],
    ['channels', [], 'bad_request'],
    ['channels', many(MAX_WEBHOOK_CHANNELS + 1), 'bad_request'],
    ['channels', ['orders/1', 'orders/1'], 'bad_request'],
    ['channels', ['orders/1', 'or*'], 'bad_channel'],
    ['channels', [null], 'bad_channel'],
    ['types', 'order.*', 'bad_request'],
    ['types', typed(MAX_WEBHOOK_TYPES + 1), 'bad_request'],
    ['types', ['*'], 'bad_request'],
    ['types', ['order*'], 'bad_request'],
    ['types', ['.*'], 'bad_request'],
    ['types', ['order..paid'], 'bad_request'],
    ['types', ['x'.repeat(MAX_TYPE_LENGTH + 1)], 'bad_request'],
    ['types', [false], 'bad_request'],
    ['format', 'xml', 'bad_request'],
    ['format', null, 'bad_request'],
    ['rate', 0, 'bad_request'],
    ['rate', 1.5, 'bad_request'],
    ['rate', '60', 'bad_request'],
    ['rate', MAX_WEBHOOK_RATE + 1, 'bad_request'],
    ['handshake', 'true', 'bad_request'],
    ['description', 7, 'bad_request'],
    ['description', 'x'.repeat(MAX_DESCRIPTION_LENGTH + 1), 'bad_request'],
    ['description', 'half a pair: \ud800', 'bad_request'],
  ])('%s cannot be %j', async (name, value, code) => {
    const body = { url: RECEIVER, channels: ['orders/*'], [name]: value };
    expect((await world.ask('POST', '/webhooks', body)).code).toBe(code);
    expect((await world.ask('GET', '/webhooks')).body).toEqual({ endpoints: [] });
    if (value === undefined) return;
    const id = await world.created();
    const before = await world.stored(id);
    expect((await world.ask('PATCH', `/webhooks/${id}`, { [name]: value })).code).toBe(code);
    expect(await world.stored(id)).toEqual(before);
  });

  test('the largest allowed values are accepted', async () => {
    const id = await world.created({
      url: `https://receiver.example.com/${'x'.repeat(MAX_WEBHOOK_URL_LENGTH - 29)}`,
      channels: many(MAX_WEBHOOK_CHANNELS),
      types: [...typed(MAX_WEBHOOK_TYPES - 1), `${'x'.repeat(MAX_TYPE_LENGTH - 2)}.*`],
      description: 'x'.repeat(MAX_DESCRIPTION_LENGTH),
      rate: MAX_WEBHOOK_RATE,
    });
    expect((await world.stored(id)).rate).toBe(MAX_WEBHOOK_RATE);
  });

  test.each([
    ['POST', '/webhooks', { url: RECEIVER, channels: ['orders/*'], type: ['a'] }],
    ['POST', '/webhooks', { url: RECEIVER, channels: ['orders/*'], enabled: false }],
    ['PATCH', '/webhooks/{id}', { status: 'enabled' }],
    ['PATCH', '/webhooks/{id}', { sealed: '' }],
    ['PATCH', '/webhooks/{id}', '{"__proto__":{"enabled":false}}'],
    ['POST', '/webhooks/{id}/enable', { now: true }],
    ['POST', '/webhooks/{id}/rotate', { current: '' }],
    ['POST', '/webhooks/{id}/test', { type: 'x' }],
    ['POST', '/webhooks/{id}/handshake', { rate: 1 }],
    ['POST', '/webhooks/{id}/deliveries/msg_1/retry', { at: 0 }],
    ['POST', '/webhooks/{id}/replay', { channel: 'orders/1', offset: '-1', to: '1' }],
    ['POST', '/webhooks/{id}/recover', { since: '2020-01-01T00:00:00Z', status: 'failed' }],
  ])('%s %s refuses an unknown member of %j', async (method, path, body) => {
    const id = await world.created();
    const { status, code, text } = await world.ask(method, path.replace('{id}', id), body);
    expect([status, code]).toEqual([400, 'bad_request']);
    expect(text).toMatch(/no member .* here: (the members are|there are none)/);
  });

  test.each(['', '[]', '7', 'null', '"x"', '{', `{"url":"\ud83d"`])(
    'a body of %j is no object',
    async (body) => {
      const id = await world.created();
      for (const [method, path] of [
        ['POST', '/webhooks'],
        ['PATCH', `/webhooks/${id}`],
        ['POST', `/webhooks/${id}/replay`],
        ['POST', `/webhooks/${id}/recover`],
      ] as const)
        expect((await world.ask(method, path, body)).code).toMatch(/^bad_(json|request)$/);
      // A request that its path describes completely may have no body.
      if (body === '') return;
      expect((await world.ask('POST', `/webhooks/${id}/test`, body)).code).toMatch(/^bad_(json|request)$/);
    },
  );

  test('a body that is too large is refused before it is parsed', async () => {
    const id = await world.created();
    const tooMuch = ' '.repeat(MAX_WEBHOOK_REQUEST_BYTES + 1);
    for (const [method, path] of [
      ['POST', ''],
      ['PATCH', `/${id}`],
      ['POST', `/${id}/test`],
      ['POST', `/${id}/rotate`],
      ['POST', `/${id}/recover`],
    ] as const)
      expect(await world.refusal(method, `/webhooks${path}`, tooMuch)).toEqual([413, 'too_large']);
    const just = JSON.stringify({ rate: 1 }).padEnd(MAX_WEBHOOK_REQUEST_BYTES);
    expect((await world.ask('PATCH', `/webhooks/${id}`, just)).status).toBe(200);
  });
});

describe('queries', () => {
  test.each([
    'limit=0',
    `limit=${MAX_PAGE + 1}`,
    'limit=x',
    'limit=1e1',
    'limit=-1',
    'limit=5&limit=6',
    `after=${'x'.repeat(129)}`,
    'after=a&after=b',
  ])('%s', async (query) => {
    const id = await world.created();
    expect(await world.refusal('GET', `/webhooks?${query}`)).toEqual([400, 'bad_request']);
    expect(await world.refusal('GET', `/webhooks/${id}/deliveries?${query}`)).toEqual([400, 'bad_request']);
  });

  test('a status must be a known one', async () => {
    const id = await world.created();
    expect(await world.refusal('GET', `/webhooks/${id}/deliveries?status=lost`)).toEqual([
      400,
      'bad_request',
    ]);
    const { status, body } = await world.ask(
      'GET',
      `/webhooks/${id}/deliveries?status=failed&limit=${MAX_PAGE}&after=`,
    );
    expect([status, body]).toEqual([200, { deliveries: [] }]);
  });
});

describe('paths and methods', () => {
  test.each([
    ['/webhooks', 'GET, POST, OPTIONS'],
    ['/webhooks/ep_1', 'GET, PATCH, DELETE, OPTIONS'],
    ['/webhooks/ep_1/enable', 'POST, OPTIONS'],
    ['/webhooks/ep_1/deliveries', 'GET, OPTIONS'],
    ['/webhooks/ep_1/deliveries/msg_1', 'GET, OPTIONS'],
    ['/webhooks/ep_1/deliveries/msg_1/retry', 'POST, OPTIONS'],
  ])('%s allows %s', async (path, methods) => {
    for (const method of ['PUT', 'HEAD', 'PROPFIND', 'constructor', 'toString']) {
      const { status, headers } = await world.ask(method, path);
      expect([status, headers.allow]).toEqual([405, methods]);
    }
    const preflight = { 'access-control-request-method': 'PATCH' };
    const { status, headers } = await world.ask('OPTIONS', path, undefined, preflight);
    expect([status, headers['access-control-allow-methods']]).toEqual([204, methods]);
  });

  test.each(['TRACE', 'CONNECT'])('%s is not a method of webhooks', async (method) => {
    expect(await world.refusal(method, '/webhooks')).toEqual([405, 'method_not_allowed']);
  });

  test.each(['/webhooks/', '/webhooks/a/b', '/webhooks/a/deliveries/b/c', '/webhook', '/channels/a', '/'])(
    '%s is no path of it',
    async (path) => {
      expect(await world.refusal('GET', path)).toEqual([404, 'route_not_found']);
    },
  );
});

test('a failing store is a defect: it is logged, and the answer does not describe it', async () => {
  world.log.hook = () => {
    throw new Error('table of secrets');
  };
  const { status, code, text } = await world.ask('GET', '/webhooks/ep_1');
  expect([status, code, text.includes('secrets')]).toEqual([500, 'internal', false]);
  expect(world.defects).toHaveLength(1);
});

test('each random request is carried out or refused', async () => {
  const id = await world.created();
  const member = fc.constantFrom(
    'url',
    'channels',
    'types',
    'format',
    'rate',
    'handshake',
    'description',
    'secret',
    'enabled',
    'channel',
    'offset',
    'since',
    '__proto__',
    'constructor',
  );
  const likely = fc.constantFrom(
    RECEIVER,
    ['orders/*'],
    ['orders/1', 'orders/2'],
    'orders/1',
    '-1',
    '2020-01-01T00:00:00Z',
    true,
    60,
    null,
  );
  const bodies = fc.oneof(fc.dictionary(member, fc.oneof(likely, fc.jsonValue())), fc.jsonValue());
  const route = fc.constantFrom(
    ['POST', '', {}] as const,
    ...ENDPOINT_ROUTES.map(([method, at]) => [method, `/${id}${at}`] as const),
  );
  await fc.assert(
    fc.asyncProperty(route, bodies, async ([method, path], body) => {
      const { status } = await world.ask(method, `/webhooks${path}`, JSON.stringify(body));
      expect(status).toBeLessThan(500);
    }),
    { numRuns: 1_000 },
  );
  expect(world.defects).toEqual([]);
});

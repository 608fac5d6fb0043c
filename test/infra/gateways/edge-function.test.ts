/**
 * The function of the front door: where it sends each request, which headers it sets, and which requests may share an answer.
 * @module
 */
import { readFileSync } from 'node:fs';
import { createContext, Script } from 'node:vm';
import { describe, expect, test } from 'vitest';

const ROUTE = new URL('../../../lib/gateways/edge-function/route.js', import.meta.url);
/** https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html */
const MAX_CODE_BYTES = 10 * 1024;

const VIEWER = '203.0.113.7';

type Values = Record<string, { value: string; multiValue?: { value: string }[] }>;

/** Runs the function. Returns the selected origin if there is one, the path, and the headers. */
function route(method: string, target: string, headers: Values = {}) {
  const [uri = '', query] = target.split('?');
  const source = readFileSync(ROUTE, 'utf8').replace(/^import cf from 'cloudfront';/, '');
  const selected: string[] = [];
  const request = { method, uri, headers: structuredClone(headers), rawQueryString: () => query };
  const event = { context: { requestId: 'request-1' }, viewer: { ip: VIEWER }, request };
  const cf = { selectRequestOriginById: (id: string) => selected.push(id) };
  const returned: unknown = new Script(`'use strict';${source};handler(event)`).runInContext(
    createContext({ cf, event }),
  );
  expect(returned).toBe(request);
  const sent = Object.entries(request.headers).map(([name, { value }]) => [name, value]);
  const { 'user-agent': client, ...others } = Object.fromEntries(sent);
  return { origin: selected, uri: request.uri, headers: others, client };
}

const accept = (...values: string[]): Values => ({
  accept: { value: values[0] ?? '', multiValue: values.map((value) => ({ value })) },
});
/** A long poll from an offset. */
const HELD = '/channels/a?live=long-poll&offset=0000000000000001';
const EVENTS = { accept: { value: 'text/event-stream' } };

describe('the function', () => {
  test('is not larger than CloudFront allows', () => {
    expect(readFileSync(ROUTE).byteLength).toBeLessThan(MAX_CODE_BYTES);
  });

  test.each<[string, string, Values?]>([
    ['GET', '/events?channel=a&channel=b'],
    ['HEAD', '/events'],
    ['OPTIONS', '/events'],
    ['GET', '/channels/a/b?live=sse'],
    ['GET', '/v1/stream/a?offset=-1&live=sse'],
    ['GET', '/channels/a?live=sse&live=long-poll'],
    ['GET', '/channels/a?l%69ve=%73se'],
    ['GET', '/channels/a%zz?live=sse'],
    ['GET', '/channels/a', EVENTS],
    ['GET', '/channels/a?Live=long-poll', EVENTS],
    ['GET', '/channels/a?x=live=long-poll', EVENTS],
    ['GET', '/channels/a', accept('text/html, Text/Event-Stream;q=0.5')],
    ['GET', '/channels/a', accept('text/html', 'text/event-stream')],
  ])('sends %s %s %j to the streaming origin', (method, target, headers) => {
    expect(route(method, target, headers)).toMatchObject({ origin: ['stream'], uri: target.split('?')[0] });
  });

  test.each([
    ['/%63hannels/a?live=sse', '/channels/a'],
    ['/channels/a%2Fb?live=sse', '/channels/a/b'],
    ['/%65vents?channel=a%2Fb', '/events'],
    // Not a channel name. It stays unchanged, and a handler refuses it.
    ['/channels/a%20b?live=sse', '/channels/a%20b'],
    ['/channels/a%252Fb?live=sse', '/channels/a%252Fb'],
  ])('decodes a path that is signed: %s', (target, uri) => {
    expect(route('GET', target)).toMatchObject({ origin: ['stream'], uri });
  });

  test.each([
    ['/channels/a/b?live=long-poll', '/hold/channels/a/b'],
    ['/v1/stream/a?live=long-poll&offset=-1', '/hold/v1/stream/a'],
    ['/channels/a%2Fb?offset=x&live=long%2Dpoll', '/hold/channels/a%2Fb'],
    ['/channels/a?live=long-poll&live=sse', '/hold/channels/a'],
  ])('sends GET %s to the path of held requests', (target, uri) => {
    expect(route('GET', target)).toMatchObject({ origin: [], uri });
    expect(route('GET', target, EVENTS)).toMatchObject({ origin: [], uri });
  });

  test.each<[string, string, Values?]>([
    ['GET', '/channels/a'],
    ['GET', '/channels/a?'],
    ['GET', '/channels/a?live'],
    ['GET', '/channels/a?live=', EVENTS],
    ['GET', '/channels/a?live=SSE', EVENTS],
    ['GET', '/channels/a?live=%zz', EVENTS],
    ['GET', '/channels/a?Live=sse'],
    ['GET', '/channels/a?xlive=sse'],
    ['GET', '/channels/a', accept('text/event-streams', 'application/text/event-stream', '*/*')],
    ['HEAD', '/channels/a?live=sse'],
    ['HEAD', '/channels/a?live=long-poll', EVENTS],
    ['POST', '/channels/a?live=sse', EVENTS],
    ['PUT', '/channels/a?live=long-poll'],
    ['DELETE', '/channels/a'],
    ['GET', '/?live=sse', EVENTS],
    ['GET', '/channels?live=sse'],
    ['GET', '/x/channels/a?live=long-poll'],
    ['GET', '/hold/channels/a?live=long-poll'],
    ['GET', '/events/?live=sse', EVENTS],
    ['GET', '/eventsx'],
  ])('sends %s %s %j to the API unchanged', (method, target, headers) => {
    expect(route(method, target, headers)).toMatchObject({ origin: [], uri: target.split('?')[0] });
  });

  test.each(['POST', 'PUT', 'PATCH', 'DELETE'])('sends %s /events to the API, which refuses it', (method) => {
    const token = { authorization: { value: 'Bearer a' } };
    expect(route(method, '/events', token)).toMatchObject({
      origin: ['api'],
      uri: '/events',
      headers: { 'x-tidings-authorization': 'Bearer a' },
    });
  });

  test.each(['/events', '/channels/a', '/channels/a?live=long-poll'])(
    'sets the address of the caller for the access log of GET %s, whatever the caller sends',
    (target) => {
      const headers = { 'user-agent': { value: '198.51.100.1', multiValue: [{ value: '198.51.100.1' }] } };
      expect(route('GET', target, headers).client).toBe(VIEWER);
      expect(route('GET', target).client).toBe(VIEWER);
    },
  );

  const spoofed = {
    'x-tidings-authorization': { value: 'Bearer spoofed' },
    'x-tidings-alone': { value: '' },
  };

  test.each([
    ['GET', '/events'],
    ['GET', '/channels/a?live=sse'],
    ['GET', '/channels/a?live=long-poll&offset=0000000000000001'],
    ['GET', '/channels/a'],
    ['POST', '/channels/a'],
    ['POST', '/tickets'],
    ['OPTIONS', '/nowhere'],
  ])('moves the token of %s %s, because CloudFront signs requests in that header', (method, target) => {
    const { headers } = route(method, target, { ...spoofed, authorization: { value: 'Bearer a' } });
    expect(headers).toEqual({ 'x-tidings-authorization': 'Bearer a', 'x-tidings-alone': 'request-1' });
  });

  test.each(['/events', '/channels/a?live=sse', '/channels/a?live=long-poll', '/channels/a', '/'])(
    'removes headers that only it may set from GET %s',
    (target) => {
      const { headers } = route('GET', target, spoofed);
      expect(headers).not.toHaveProperty('x-tidings-authorization');
      expect(['request-1', undefined]).toContain(headers['x-tidings-alone']);
    },
  );

  test('lets only requests without a token or a ticket share an answer', () => {
    for (const target of ['/channels/a?ticket=x', '/channels/a?live=long-poll&t%69cket=', '/?ticket']) {
      expect(route('GET', target).headers).toEqual({ 'x-tidings-alone': 'request-1' });
    }
    expect(route('GET', '/channels/a?tickets=x').headers).toEqual({});
    for (const target of ['/channels/a', HELD]) {
      const token = { authorization: { value: 'Bearer a' } };
      expect(route('GET', target, token).headers).toEqual({
        'x-tidings-authorization': 'Bearer a',
        'x-tidings-alone': 'request-1',
      });
    }
    for (const target of ['/channels/a', HELD]) expect(route('GET', target, spoofed).headers).toEqual({});
  });

  test.each([
    ['HEAD', '/channels/a'],
    ['GET', '/channels/a?offset=now'],
    ['GET', '/channels/a?off%73et=now&offset=-1'],
    ['GET', '/channels/a?live=long-poll'],
    ['GET', '/channels/a?live=long-poll&offset=-1'],
    ['GET', '/channels/a?live=long-poll&offset=now'],
  ])('shares no answer to %s %s, whose meaning changes with time', (method, target) => {
    expect(route(method, target).headers).toEqual({ 'x-tidings-alone': 'request-1' });
  });

  test.each(['if-none-match', 'if-modified-since', 'range'])(
    'shares no answer to a request with %s',
    (name) => {
      expect(route('GET', '/channels/a', { [name]: { value: 'x' } }).headers).toMatchObject({
        'x-tidings-alone': 'request-1',
      });
    },
  );
});

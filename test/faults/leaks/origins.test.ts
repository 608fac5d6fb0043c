/**
 * PROTOCOL.md §10 on a hub that lists origins: what pages of other origins get, and pages whose origin looks similar.
 * @module
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { statusOf } from '../../support/wire/socket.ts';
import { type Caller, callerAt, newChannel } from '../../support/wire/wire.ts';

const OURS = 'https://app.example.com';
const ALSO_OURS = 'http://localhost:5173';

/** On the wire a header is bytes: other characters than ASCII are sent as UTF-8. */
const asBytes = (text: string): string => Buffer.from(text).toString('latin1');

const FOREIGN = [
  'null',
  'https://evil.test',
  'https://app.example.com.evil.test',
  'https://evil-app.example.com',
  'https://evil.test/https://app.example.com',
  'https://app.example.com@evil.test',
  'https://evil@app.example.com',
  'https://example.com',
  'https://sub.app.example.com',
  'https://app.example.co',
  'https://App.Example.com',
  'HTTPS://app.example.com',
  'http://app.example.com',
  'https://app.example.com:8443',
  'https://app.example.com:443',
  'https://app.example.com.',
  'https://app.example.com/',
  'https://app.example.com,https://evil.test',
  `${OURS},${ALSO_OURS}`,
  'https://*.example.com',
  '*',
  'http://localhost:5174',
  'http://127.0.0.1:5173',
  'https://xn--pp-6kc.example.com',
  asBytes('https://\u0430pp.example.com'),
  asBytes('https://app.ex\u0430mple.com'),
];

let running: RunningHub;
let hub: Caller;
beforeAll(async () => {
  running = await startHub({
    context: {
      'tidings:origins': `${OURS},${ALSO_OURS}`,
      'tidings:anonymous': { 'public/*': ['subscribe'] },
      'tidings:streamSeconds': 1,
    },
  });
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
});
afterAll(async () => await running.close());

const opened = (origin: string | undefined, bearer = running.token): Promise<number> => {
  const headers = { Authorization: `Bearer ${bearer}`, ...(origin === undefined ? {} : { Origin: origin }) };
  return statusOf({ url: running.stack.socketUrl ?? '', headers });
};

const corsOf = ({ headers }: Response): [string, string][] =>
  [...headers].filter(([name]) => name.startsWith('access-control-'));

describe('a socket', () => {
  test.each(FOREIGN)('is refused to a page of %j', async (origin) => {
    expect(await opened(origin)).toBe(403);
  });

  test.each([OURS, ALSO_OURS, undefined])('is opened by %s', async (origin) => {
    expect(await opened(origin)).toBe(101);
    expect(await opened(origin, 'x')).toBe(401);
  });
});

/** One request to each handler, and for each kind of answer. */
const REQUESTS: [method: string, path: string, headers?: Record<string, string>][] = [
  ['GET', '/channels/public/a'],
  ['GET', '/channels/private/a'],
  ['HEAD', '/channels/public/a'],
  ['POST', '/channels/public/a', { 'Content-Type': 'application/json' }],
  ['GET', '/channels/public/a?offset=-1&live=long-poll', { Prefer: 'wait=0' }],
  ['GET', '/channels/public/a?offset=-1&live=sse'],
  ['GET', '/channels/public/a', { Accept: 'text/event-stream' }],
  ['GET', '/events?channel=public/a'],
  ['GET', '/channels/public/a?token=x'],
  ['POST', '/tickets'],
  ['GET', '/webhooks'],
  ['GET', '/connections'],
  ['DELETE', '/connections?principal=x'],
  ['GET', '/nowhere'],
];

describe.each(REQUESTS)('%s %s', (method, path, headers = {}) => {
  const ask = (origin: string | undefined): Promise<Response> => {
    const more = origin === undefined ? {} : { Origin: origin };
    return callerAt(running.stack.url).request(path, { method, headers: { ...headers, ...more } });
  };

  test('is readable for allowed pages, by name, and never with credentials', async () => {
    for (const origin of [OURS, ALSO_OURS]) {
      const answer = await ask(origin);
      expect(answer.headers.get('Access-Control-Allow-Origin')).toBe(origin);
      expect(answer.headers.get('Access-Control-Expose-Headers')).toContain('Stream-Next-Offset');
      expect(answer.headers.get('Access-Control-Allow-Credentials')).toBeNull();
      expect(answer.headers.get('Vary')).toMatch(/(^|, )Origin$/);
      await answer.body?.cancel();
    }
  });

  test('has no header for other pages by which a browser would let them read it', async () => {
    for (const origin of [...FOREIGN, undefined]) {
      const answer = await ask(origin);
      expect(corsOf(answer), origin).toEqual([]);
      expect(answer.headers.get('Vary'), origin).toMatch(/(^|, )Origin$/);
      expect(answer.headers.get('X-Content-Type-Options'), origin).toBe('nosniff');
      await answer.body?.cancel();
    }
  });
});

describe('a preflight', () => {
  const preflight = (path: string, origin: string): Promise<Response> =>
    callerAt(running.stack.url).request(path, {
      method: 'OPTIONS',
      headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' },
    });

  test.each(['/channels/a', '/v1/stream/a', '/events', '/tickets', '/webhooks', '/connections'])(
    '%s allows our pages, and no others',
    async (path) => {
      const ours = await preflight(path, OURS);
      expect([ours.status, ours.headers.get('Access-Control-Allow-Origin')]).toEqual([204, OURS]);
      expect(ours.headers.get('Access-Control-Allow-Headers')).toContain('Authorization');
      for (const origin of FOREIGN) expect(corsOf(await preflight(path, origin)), origin).toEqual([]);
    },
  );
});

test('the hub’s own wake socket is refused to pages', async () => {
  const held = hub.request(`/channels/${newChannel()}?offset=now&live=long-poll`, {
    headers: { Prefer: 'wait=2' },
  });
  const states = async () => {
    const listed: unknown = await (await fetch(`${running.stack.control}/connections`)).json();
    return Array.isArray(listed) ? listed.map(({ state }) => state) : [];
  };
  await expect.poll(states).toContain('open');
  expect((await held).status).toBe(204);
});

/**
 * PROTOCOL.md §7.1 over the wire: how a hub answers while its identity provider is down.
 * @module
 */
import { createServer, type RequestListener, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { type IssuerKey, issue, newIssuerKey } from '../../support/access/issuer.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { statusOf } from '../../support/wire/socket.ts';
import { callerAt, newChannel, refusalOf } from '../../support/wire/wire.ts';

const AUDIENCE = 'https://hub.example';
const HOUR_SECONDS = 3_600;

let server: Server;
let url: string;
let fetched = 0;
let running: RunningHub;
let key: IssuerKey;
const lines: string[] = [];

/** The answer of the provider. */
let answer: RequestListener;
const withStatus =
  (status: number, body: string, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, headers).end(body);

beforeAll(async () => {
  key = await newIssuerKey('ES256');
  server = createServer((request, response) => {
    fetched++;
    answer(request, response);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  running = await startHub({
    context: {
      'tidings:issuer': url,
      'tidings:issuerAudience': AUDIENCE,
      'tidings:claims': { claim: 'scope', grants: { all: { '*': ['publish', 'subscribe', 'webhook'] } } },
    },
    log: (line) => lines.push(line),
  });
});
afterAll(async () => {
  await saveGrants('issuer', running.stack.control);
  await running.close();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

const tokenOf = async (header: object = {}) => {
  const exp = Math.floor(Date.now() / 1_000) + HOUR_SECONDS;
  return await issue(key, { iss: url, aud: AUDIENCE, exp, scope: 'all' }, header);
};
const caller = async (header: object = {}) =>
  callerAt(running.stack.url, { Authorization: `Bearer ${await tokenOf(header)}` });

/** One request to each handler that verifies tokens. */
const REQUESTS: Readonly<Record<string, () => readonly [string, RequestInit?]>> = {
  publish: () => [
    `/channels/${newChannel()}`,
    { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: 'a' },
  ],
  read: () => [`/channels/${newChannel()}`],
  hold: () => [`/channels/${newChannel()}?live=long-poll&offset=now`, { headers: { Prefer: 'wait=0' } }],
  stream: () => [`/channels/${newChannel()}?live=sse&offset=now`],
  webhooks: () => ['/webhooks'],
};

describe('before its keys are known', () => {
  const KEYS = () => JSON.stringify({ keys: [key.jwk] });
  test.each<[string, () => RequestListener]>([
    ['fails', () => withStatus(500, KEYS())],
    ['redirects', () => withStatus(302, '', { Location: `${url}/elsewhere` })],
    ['answers something else', () => withStatus(200, '<html>')],
    ['answers too much', () => withStatus(200, `{"keys":[${' '.repeat(300_000)}]}`)],
    ['closes the connection', () => (request) => void request.socket.destroy()],
  ])('a provider that %s makes its tokens 503, and tokens of the hub work', async (_name, make) => {
    answer = make();
    for (const [handler, request] of Object.entries(REQUESTS)) {
      const response = await (await caller()).request(...request());
      expect(response.headers.get('Retry-After'), handler).toBe('1');
      expect(await refusalOf(response), handler).toEqual([503, 'unavailable']);
      const own = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
      const { status, body } = await own.request(...request());
      await body?.cancel();
      expect(status, handler).toBeLessThan(300);
    }
    const opening = {
      url: running.stack.socketUrl ?? '',
      headers: { Authorization: `Bearer ${await tokenOf()}` },
    };
    expect(await statusOf(opening)).toBe(503);
    expect(lines.some((line) => line.includes('jwks.json') && !line.includes('eyJ'))).toBe(true);
  });
});

test('later: its tokens work as soon as it answers, and keep working while it does not, in processes that know its keys', async () => {
  answer = withStatus(200, JSON.stringify({ keys: [key.jwk] }));
  for (const [handler, request] of Object.entries(REQUESTS)) {
    const status = async () => {
      const response = await (await caller()).request(...request());
      await response.body?.cancel();
      return response.status;
    };
    await expect.poll(status, { message: handler }).toBeLessThan(300);
  }
  answer = withStatus(500, '');
  // A stream continues after its reader has left, so the next one begins in another process, which has never known the keys.
  const { stream, ...others } = REQUESTS;
  expect(await refusalOf(await (await caller()).request(...(stream?.() ?? [''])))).toEqual([
    503,
    'unavailable',
  ]);
  const before = fetched;
  for (let n = 0; n < 20; n++) {
    for (const request of Object.values(others)) {
      const forged = await (await caller({ kid: `forged-${n}` })).request(...request());
      expect(await refusalOf(forged)).toEqual([401, 'unauthorized']);
      const response = await (await caller()).request(...request());
      await response.body?.cancel();
      expect(response.status).toBeLessThan(300);
    }
  }
  // One request for each process that saw an unknown key, however often it saw it.
  expect(fetched - before).toBeLessThanOrEqual(2 * Object.keys(others).length);
});

/**
 * PROTOCOL.md §7 over the wire: a token that could confuse a verifier is 401 at every handler. The answer is the same for all of
 * them. test/support/access/confusion.ts has the tokens.
 * @module
 */
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { badTokens, goodTokens } from '../../support/access/confusion.ts';
import { type Opening, statusThroughRates } from '../../support/wire/socket.ts';
import { callerAt, newChannel } from '../../support/wire/wire.ts';

const { url, socketUrl, apiSocketUrl, key, audience, issuer } = inject('hub');
const hub = { key, audience, issuer, now: Math.floor(Date.now() / 1_000) };

/** A channel that callers without a token may read. A bad token is refused even there. */
const OPEN = newChannel('public');
/** A channel of the tenant that the provider's tokens have. */
const CHANNEL = newChannel('acme');
const body = { headers: { 'Content-Type': 'application/json' }, body: '1' };

/** A request over HTTP for each handler. */
const REQUESTS: Readonly<Record<string, readonly [string, RequestInit?]>> = {
  publish: [`/channels/${CHANNEL}`, { method: 'POST', ...body }],
  'publish to a channel that does not exist': [
    `/channels/${newChannel('nowhere')}`,
    { method: 'POST', ...body },
  ],
  create: [`/v1/stream/${CHANNEL}`, { method: 'PUT', ...body }],
  delete: [`/channels/${newChannel('acme')}`, { method: 'DELETE' }],
  tickets: ['/tickets', { method: 'POST' }],
  read: [`/channels/${CHANNEL}`],
  'read a public channel': [`/channels/${OPEN}`],
  'read it by its other path': [`/v1/stream/${CHANNEL}`],
  hold: [`/channels/${CHANNEL}?live=long-poll&offset=now`, { headers: { Prefer: 'wait=0' } }],
  stream: [`/channels/${CHANNEL}?live=sse&offset=now`],
  EventSource: [`/channels/${OPEN}?offset=now`, { headers: { Accept: 'text/event-stream' } }],
  events: [`/events?channel=${CHANNEL}`],
  webhooks: ['/webhooks'],
  'a webhook': ['/webhooks/ep_1'],
  'a new webhook': ['/webhooks', { method: 'POST', ...body, body: '{}' }],
};

const header = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } });
// A plain header, because the WebSocket library would refuse some of these tokens itself.
const subprotocol = (token: string) => ({
  headers: { 'Sec-WebSocket-Protocol': `tidings.v1, bearer.${token}` },
});

/** How a socket is opened with a token: in which form, and at which address. */
const OPENINGS: Readonly<Record<string, (token: string) => Opening>> = {
  'a header, at the front door': (token) => ({ url: socketUrl, ...header(token) }),
  'a header, at the API': (token) => ({ url: apiSocketUrl, ...header(token) }),
  'a subprotocol, at the front door': (token) => ({ url: socketUrl, ...subprotocol(token) }),
  'a subprotocol, at the API': (token) => ({ url: apiSocketUrl, ...subprotocol(token) }),
  'a ticket, at the front door': (token) => ({ url: `${socketUrl}?ticket=${encodeURIComponent(token)}` }),
  'a ticket, at the API': (token) => ({ url: `${apiSocketUrl}?ticket=${encodeURIComponent(token)}` }),
};

/** Returns everything in an answer that could tell the caller which check failed. Closes a stream that was accepted. */
async function answerTo(token: string, [path, init]: readonly [string, RequestInit?]) {
  const response = await callerAt(url, header(token).headers).request(path, init);
  const isRefused = response.status === 401;
  const text = isRefused ? await response.text() : '';
  if (!isRefused) await response.body?.cancel();
  const comparable = [...response.headers].filter(([name]) => !/^(date|.*id|via|age|x-cache)$/.test(name));
  return { status: response.status, headers: Object.fromEntries(comparable), text };
}

type Answers = Readonly<Record<string, Awaited<ReturnType<typeof answerTo>>>>;

async function answersTo(token: string): Promise<Answers> {
  const answers = Object.entries(REQUESTS).map(
    async ([handler, request]) => [handler, await answerTo(token, request)] as const,
  );
  return Object.fromEntries(await Promise.all(answers));
}

async function statusesOf(token: string): Promise<Readonly<Record<string, number>>> {
  const statuses = Object.entries(OPENINGS).map(
    async ([way, opening]) => [way, await statusThroughRates(opening(token))] as const,
  );
  return Object.fromEntries(await Promise.all(statuses));
}

/** The characters that HTTP allows in the name of a subprotocol. https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2 */
const NAME = /^[\w!#$%&'*+.^`|~-]+$/;

/** Characters of a ticket. A longer one, escaped, makes the request line too long for API Gateway. */
const LONGEST_TICKET = 4_000;

/** Returns the expected status: 401 of the hub, or 400 or 414 of the platform for a token that cannot be sent in this form. */
function refusalOf(way: string, token: string): number {
  if (way.startsWith('a subprotocol') && !NAME.test(token)) return 400;
  return way.startsWith('a ticket') && token.length > LONGEST_TICKET ? 414 : 401;
}

describe('a bad token is refused by every handler, without a reason', () => {
  let usual: Answers;
  beforeAll(async () => {
    usual = await answersTo('x');
    expect(Object.values(usual).map(({ text }) => JSON.parse(text).error.code)).toEqual(
      Object.keys(REQUESTS).map(() => 'unauthorized'),
    );
    expect(new Set(Object.values(usual).map(({ text }) => text)).size).toBe(1);
  });

  test.each(Object.entries(badTokens(hub)))('%s', async (_name, make) => {
    const token = await make();
    const [answers, statuses] = await Promise.all([answersTo(token), statusesOf(token)]);
    expect(answers).toEqual(usual);
    for (const [way, status] of Object.entries(statuses)) expect(status, way).toBe(refusalOf(way, token));
  });
});

describe('a good token is accepted by every handler', () => {
  test.each(Object.entries(goodTokens(hub)))('%s', async (_name, make) => {
    const token = await make();
    const statuses = Object.values(await answersTo(token)).map(({ status }) => status);
    expect(statuses).not.toContain(401);
    for (const at of [socketUrl, apiSocketUrl]) {
      expect(await statusThroughRates({ url: at, ...header(token) })).toBe(101);
      expect(await statusThroughRates({ url: at, protocols: ['tidings.v1', `bearer.${token}`] })).toBe(101);
    }
  });
});

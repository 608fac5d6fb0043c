/**
 * PROTOCOL.md §5.2 and §12.5 over the wire: streams opened with a ticket, and tokens that must not be in a URL.
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, inject, test } from 'vitest';
import { openStream } from '../../support/wire/event-stream.ts';
import { newTicket } from '../../support/wire/ticket.ts';
import {
  BUSY_MS,
  callerAt,
  callerWith,
  EVERYTHING,
  isBusy,
  newChannel,
  refusalOf,
  token,
} from '../../support/wire/wire.ts';

const BROWSER = { Accept: 'text/event-stream' };

const hub = callerWith(EVERYTHING);
const nobody = callerWith(undefined);

describe.each([
  ['live=sse', (channel: string) => `/channels/${channel}?offset=-1&live=sse&`, {}],
  ['an EventSource', (channel: string) => `/channels/${channel}?`, BROWSER],
  ['/events', (channel: string) => `/events?channel=${channel}&`, {}],
])('%s', (_name, pathOf, headers) => {
  test('opens with a ticket, once, however many use it at the same time, and no cache keeps the answer', async () => {
    const channel = newChannel();
    await hub.publish(channel, 'CANARY');
    const useAtOnce = async (): Promise<Response[]> => {
      const path = `${pathOf(channel)}ticket=${await newTicket({ [channel]: ['subscribe'] })}`;
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => nobody.request(path, { headers: { ...headers } })),
      );
      expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
      if (!answers.some(({ status }) => isBusy(status))) return answers;
      // A busy machine had no room for some of them, and nobody knows what their ticket is worth now. They all try with another one.
      for (const answer of answers) await answer.body?.cancel();
      await wait(BUSY_MS);
      return await useAtOnce();
    };
    const answers = await useAtOnce();
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 401, 401, 401, 401]);
    for (const answer of answers) {
      expect(answer.headers.get('Cache-Control')).toContain('no-store');
      if (answer.status === 200) await answer.body?.cancel();
      else expect(await refusalOf(answer)).toEqual([401, 'unauthorized']);
    }
  });

  test('gives the holder of a ticket the existing messages', async () => {
    const channel = newChannel();
    await hub.publish(channel, 'CANARY');
    const ticket = await newTicket({ [channel]: ['subscribe'] });
    const stream = await openStream(nobody, `${pathOf(channel)}ticket=${ticket}`, { ...headers });
    expect((await stream.next())?.data).toContain('CANARY');
    await stream.close();
  });

  test.each([
    ['another channel', { 'elsewhere/*': ['subscribe'] }],
    ['another operation', { '*': ['publish', 'manage', 'webhook'] }],
  ] as const)('is forbidden with a ticket for %s', async (_of, capability) => {
    const path = `${pathOf(newChannel())}ticket=${await newTicket(capability)}`;
    expect(await refusalOf(await nobody.request(path, { headers: { ...headers } }))).toEqual([
      403,
      'forbidden',
    ]);
  });

  test('is 401 with a token instead of a ticket and without one, and 400 with several', async () => {
    const path = pathOf(newChannel());
    const ask = async (query: string) =>
      await refusalOf(await nobody.request(path + query, { headers: { ...headers } }));
    expect(await ask(`ticket=${await token(EVERYTHING)}`)).toEqual([401, 'unauthorized']);
    expect(await ask('ticket=')).toEqual([401, 'unauthorized']);
    const two = `ticket=${await newTicket(EVERYTHING)}&ticket=${await newTicket(EVERYTHING)}`;
    expect(await ask(two)).toEqual([400, 'bad_request']);
  });

  test('uses the header if there is one, and leaves the ticket unused', async () => {
    const path = `${pathOf(newChannel())}ticket=${await newTicket(EVERYTHING)}`;
    const forged = callerAt(inject('hub').url, { Authorization: 'Bearer x' });
    expect((await forged.request(path, { headers: { ...headers } })).status).toBe(401);
    for (const caller of [hub, nobody]) {
      const stream = await openStream(caller, path, { ...headers });
      await stream.close();
    }
  });
});

describe('a token in a URL', () => {
  const NAMES = [
    'token',
    'access_token',
    'accessToken',
    'ACCESS-TOKEN',
    'authorization',
    'auth',
    'jwt',
    't%6Fken',
  ];
  const HANDLERS: [method: string, path: string, headers?: Record<string, string>][] = [
    ['POST', '/channels/C'],
    ['PUT', '/channels/C'],
    ['DELETE', '/channels/C'],
    ['GET', '/channels/C'],
    ['GET', '/v1/stream/C'],
    ['GET', '/channels/C?offset=-1&live=long-poll'],
    ['GET', '/channels/C?offset=-1&live=sse'],
    ['GET', '/channels/C', BROWSER],
    ['GET', '/events?channel=C'],
    ['POST', '/tickets'],
    ['GET', '/webhooks'],
    ['GET', '/nowhere'],
  ];
  const at = (path: string, query: string) => `${path}${path.includes('?') ? '&' : '?'}${query}`;

  test.each(HANDLERS)(
    '%s %s refuses it, whatever else the request has',
    async (method, path, headers = {}) => {
      const bearer = await token(EVERYTHING);
      for (const caller of [nobody, hub]) {
        for (const name of NAMES) {
          const target = at(path.replace('C', newChannel('public')), `${name}=${bearer}`);
          const answer = await caller.request(target, { method, headers: { ...headers } });
          const text = await answer.clone().text();
          expect(await refusalOf(answer), name).toEqual([400, 'bad_request']);
          expect(text).not.toContain(bearer.slice(0, 32));
        }
      }
    },
  );

  test('a HEAD is refused without a body, and a preflight is answered, so that a page can read the refusal', async () => {
    const path = `/channels/${newChannel('public')}?token=x`;
    expect((await nobody.request(path, { method: 'HEAD' })).status).toBe(400);
    const headers = { Origin: 'https://app.example', 'Access-Control-Request-Method': 'GET' };
    expect((await nobody.request(path, { method: 'OPTIONS', headers })).status).toBe(204);
  });

  test('a ticket is refused on a route that takes none, and is not used up by that', async () => {
    const ticket = await newTicket(EVERYTHING);
    const plain = HANDLERS.filter(([, path, headers]) => !/sse|events/.test(path) && !headers);
    for (const [method, path] of plain) {
      const target = at(path.replace('C', newChannel('public')), `ticket=${ticket}`);
      expect(await refusalOf(await nobody.request(target, { method })), path).toEqual([400, 'bad_request']);
    }
    const stream = await openStream(nobody, `/events?channel=${newChannel()}&ticket=${ticket}`);
    await stream.close();
  });

  test('similar names are not mistaken for a token', async () => {
    const path = `/v1/stream/${newChannel('public')}?offset=-1&tokens=1&tok=1&author=1`;
    expect((await nobody.request(path)).status).toBe(200);
  });
});

/**
 * The token of a client: requested once, cached until it is refused or about to expire, and never waited for without a
 * limit.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../client/connect.ts';
import type { ConnectOptions } from '../../../client/options.ts';
import type { Token } from '../../../client/token.ts';
import type { Transport } from '../../../client/transports/failover.ts';
import { type StillHost, settled, stillHost } from '../../support/client/still-host.ts';
import { offsetAt } from '../../support/domain/fake-log.ts';

const CHANNEL = 'chat/room1';
const MINUTE_MS = 60_000;
const EVERY: readonly (readonly [Transport])[] = [['websocket'], ['sse'], ['long-poll'], ['poll']];

let host: StillHost;
let hub: Hub;
/** The tokens that the hub accepts. Undefined: all. */
let good: string[] | undefined;
/** The tokens of the requests, in order. */
let came: (string | null)[];
beforeEach(() => {
  host = stillHost();
  good = undefined;
  came = [];
  host.respond = (_url, { method, headers }) => {
    const bearer = new Headers(headers).get('Authorization')?.replace('Bearer ', '') ?? null;
    came.push(bearer);
    if (good && !good.includes(bearer ?? '')) return refused();
    const answer = { 'Stream-Next-Offset': offsetAt(1), 'Stream-Up-To-Date': 'true' };
    return method === 'POST'
      ? new Response(null, { status: 204, headers: answer })
      : Response.json([], { headers: answer });
  };
});
afterEach(async () => {
  hub?.close();
  await settled();
  expect(host.timers()).toBe(0);
});

const refused = () =>
  Response.json({ error: { code: 'unauthorized', message: 'no token, or a bad one' } }, { status: 401 });
const open = (token: Token, options: Partial<ConnectOptions> = {}): Hub => {
  hub = connectOver(host, { url: 'https://hub.example', token, ...options });
  return hub;
};
const listen = (channel = CHANNEL): string[] => {
  const errors: string[] = [];
  hub.subscribe(channel, { onMessages() {}, onError: ({ code }) => void errors.push(code) });
  return errors;
};

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** A token that expires this many milliseconds after the start of the clock. */
const jwt = (expMs: number, name = 'ÿþ?>'): string =>
  `${part({ alg: 'HS256' })}.${part({ exp: expMs / 1_000, name })}.c2lnbmF0dXJl`;

describe('the token function is called', () => {
  test('once for all requests that need a token', async () => {
    let calls = 0;
    open(async () => `t${calls++}`);
    await Promise.all(['a', 'b', 'c'].map((channel) => hub.publish(channel, [1])));
    for (let at = 0; at < 5; at++) await hub.publish(CHANNEL, [at]);
    listen();
    await settled();
    expect([calls, new Set(came), host.wires[0]?.protocols.at(-1)]).toEqual([
      1,
      new Set(['t0']),
      'bearer.t0',
    ]);
  });

  test('again shortly before the exp of its token', async () => {
    let calls = 0;
    open(() => jwt(host.now() + 5 * MINUTE_MS, `t${calls++}`));
    const at: number[] = [];
    for (let step = 0; step < 100; step++) {
      const before = calls;
      await hub.publish(CHANNEL, [1]);
      if (calls > before) at.push(host.now());
      await host.pass(10_000);
    }
    expect(at).toEqual([0, 270_000, 540_000, 810_000]);
  });

  test.each([
    ['a token that has expired by the clock of this machine', 0],
    ['a token without an exp', Number.NaN],
  ])('not for every request: %s', async (_name, exp) => {
    let calls = 0;
    open(() => {
      calls += 1;
      return jwt(exp);
    });
    for (let step = 0; step < 60; step++) {
      await hub.publish(CHANNEL, [1]);
      await host.pass(1_000);
    }
    expect(calls).toBeLessThanOrEqual(6);
  });

  test('again when the hub refuses its token, once for all requests', async () => {
    let calls = 0;
    good = ['t1'];
    open(() => `t${calls++}`);
    await Promise.all(['a', 'b', 'c'].map((channel) => hub.publish(channel, [1])));
    expect([calls, came]).toEqual([2, ['t0', 't0', 't0', 't1', 't1', 't1']]);
  });

  test('not for the late refusal of a replaced token', async () => {
    let calls = 0;
    good = ['t1'];
    open(() => `t${calls++}`);
    const { respond } = host;
    const late = Promise.withResolvers<Response>();
    host.respond = (url, init) => {
      const isFirst = url.endsWith('/b') && !came.includes('t1');
      return isFirst ? late.promise : respond(url, init);
    };
    const published = hub.publish('b', [1]);
    await hub.publish('a', [1]);
    late.resolve(refused());
    await published;
    expect([calls, came]).toEqual([2, ['t0', 't1', 't1']]);
  });

  test('and the same token again is refused without a request', async () => {
    let calls = 0;
    good = [];
    open(() => {
      calls += 1;
      return 'same';
    });
    await expect(hub.publish(CHANNEL, [1])).rejects.toMatchObject({ code: 'unauthorized' });
    expect([calls, came]).toEqual([2, ['same']]);
    good = ['same'];
    await hub.publish(CHANNEL, [1]);
    expect(calls).toBe(3);
  });

  test('not when a proxy answers 401', async () => {
    let calls = 0;
    open(() => `t${calls++}`);
    const { respond } = host;
    host.respond = (url, init) =>
      host.now() < 5_000 ? new Response('no', { status: 401 }) : respond(url, init);
    const published = hub.publish(CHANNEL, [1]);
    await host.pass(30_000);
    await published;
    expect([calls, came]).toEqual([1, ['t0']]);
  });

  test('and while it fails, the last token is used until it has expired', async () => {
    let calls = 0;
    open(() => {
      if (calls++ > 0) throw new Error('the login service is down');
      return jwt(5 * MINUTE_MS);
    });
    const outcomes: unknown[] = [];
    const publish = async (at: number) => {
      await host.pass(at - host.now());
      const before = host.requests.length;
      hub.publish(CHANNEL, [1]).then(
        () => outcomes.push('stored'),
        ({ message }) => outcomes.push(message),
      );
      await settled();
      return host.requests.length - before;
    };
    expect([
      await publish(0),
      await publish(271_000),
      await publish(273_000),
      await publish(299_000),
    ]).toEqual([1, 1, 1, 1]);
    expect([calls, await publish(301_000)]).toEqual([3, 0]);
    await host.pass(MINUTE_MS);
    expect(outcomes).toEqual([
      ...Array(4).fill('stored'),
      'it is unknown whether the messages were stored: the login service is down',
    ]);
  });

  test('again for each request after it returned no token', async () => {
    const tokens = [undefined, 't'];
    open(() => tokens.shift());
    await hub.publish(CHANNEL, [1]);
    await hub.publish(CHANNEL, [2]);
    expect(came).toEqual([null, 't']);
  });
});

describe('a function that never settles', () => {
  test.each(EVERY)('is called again within a minute, over %s', async (transport) => {
    let calls = 0;
    open(() => (calls++ ? 't' : new Promise<string>(() => {})), { transports: [transport] });
    listen();
    await host.pass(MINUTE_MS);
    expect(calls).toBe(2);
    expect(transport === 'websocket' ? host.wires.length : came.length).toBeGreaterThan(0);
  });

  test('is called again by the next publish', async () => {
    let calls = 0;
    open(() => (calls++ ? 't' : new Promise<string>(() => {})));
    const published = hub.publish(CHANNEL, [1]);
    await host.pass(MINUTE_MS);
    expect(await published).toEqual({ offset: offsetAt(1) });
    expect(calls).toBe(2);
  });

  test('but is late: its token is cached', async () => {
    let calls = 0;
    const late = Promise.withResolvers<string>();
    open(() => {
      calls += 1;
      return late.promise;
    });
    const failed = expect(hub.publish(CHANNEL, [1])).rejects.toMatchObject({ code: 'unavailable' });
    await host.pass(MINUTE_MS);
    await failed;
    late.resolve('late');
    await settled();
    const before = calls;
    await hub.publish(CHANNEL, [2]);
    expect([came, calls]).toEqual([['late'], before]);
  });
});

describe('a token that cannot be sent', () => {
  const bad = ['a.b.c\n', 'a b', '', 'tökén', 'a=b', '\ud800'];

  test.each(bad)('throws at once: %j', (token) => {
    expect(() => connectOver(host, { url: 'https://hub.example', token })).toThrow(TypeError);
  });

  test('is not in the error message, because errors end in logs', () => {
    const secret = 'eyJhbGciOi.secret';
    expect(() => open(`${secret}\n`)).toThrow(/position 17/);
    expect(() => open(`${secret}\n`)).not.toThrow(secret);
  });

  test.each(EVERY.flatMap(([transport]) => bad.map((token) => [transport, token] as const)))(
    'ends the subscription at once, over %s, if a function returns it: %j',
    async (transport, token) => {
      open(() => token, { transports: [transport] });
      const errors = listen();
      await settled();
      expect([errors, host.requests, host.wires]).toEqual([['unauthorized'], [], []]);
      await expect(hub.publish(CHANNEL, [1])).rejects.toMatchObject({ code: 'unauthorized' });
    },
  );

  test('ends a pattern, if a function returns it', async () => {
    open(() => 'a\nb');
    const errors = listen('chat/*');
    await settled();
    expect(errors).toContain('unauthorized');
  });

  test.each(['a.b.c', 'opaque', 'a/b+c~d==', 'a-b_c'])('but %s can be sent', (token) => {
    expect(() => open(token)).not.toThrow();
  });
});

describe('a socket that cannot be opened because of a bad token', () => {
  /** Browsers do not show the status of a handshake. */
  const refuseSockets = async (ms: number): Promise<void> => {
    const until = host.now() + ms;
    while (host.now() < until) {
      for (const wire of host.open()) wire.end();
      await host.pass(500);
    }
  };

  test.each([
    ['a pattern', 'chat/*', {}],
    ['everything', '*', {}],
    ['a channel by sockets alone', CHANNEL, { transports: ['websocket'] }],
  ] as const)('ends the subscription to %s with unauthorized', async (_name, topic, options) => {
    good = [];
    open('expired', options);
    const errors = listen(topic);
    await settled();
    await refuseSockets(3_000);
    expect(errors.at(-1)).toBe('unauthorized');
    const { length } = host.wires;
    await refuseSockets(2 * MINUTE_MS);
    expect(host.wires.length).toBe(length);
  });

  test('a pattern gets another token from the function', async () => {
    good = ['t1'];
    let calls = 0;
    open(() => `t${calls++}`);
    const errors = listen('chat/*');
    await settled();
    await refuseSockets(5_000);
    expect([host.wires.at(-1)?.protocols.at(-1), errors]).toEqual(['bearer.t1', ['unavailable']]);
  });

  test.each([
    ['the network', () => Promise.reject(new TypeError('fetch failed'))],
    ['a proxy', () => new Response('no', { status: 401 })],
  ])('the token is not the reason: %s', async (_name, respond) => {
    host.respond = respond;
    open('good');
    const errors = listen('chat/*');
    await settled();
    await refuseSockets(2 * MINUTE_MS);
    expect([errors, host.wires.length > 3]).toEqual([['unavailable'], true]);
  });
});

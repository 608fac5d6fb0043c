import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import { at, type Gate, resourceOf, startGate, synthesizeFixture, tamper } from '../support.ts';

/** The same value is in the fixture. */
const TIMEOUT_MS = 1_000;

type Respond = (request: IncomingMessage, response: ServerResponse) => void;

/** An origin that each test controls. It replaces the one in the fixture, whose name cannot be resolved. */
let respond: Respond;
let sockets: Set<unknown>;
let origin: Server;
let stack: LocalStack;
let gate: Gate;
const cleanups: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  origin = createServer((request, response) => {
    sockets.add(request.socket);
    respond(request, response);
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const address = origin.address();
  if (address === null || typeof address === 'string') throw new Error('the origin got no port');
  gate = await startGate();
  const fixture = await synthesizeFixture({}, 'edge');
  const copy = tamper(fixture.assembly, 'Edge', (template) => {
    const { properties } = resourceOf(template, 'AWS::CloudFront::Distribution');
    const origins = at(properties, 'DistributionConfig').Origins;
    for (const entry of Array.isArray(origins) ? origins : []) {
      if (at({ entry }, 'entry').Id === 'outside') entry.DomainName = `127.0.0.1:${address.port}`;
    }
  });
  stack = await startLocalStack({ assembly: copy.assembly });
  cleanups.push(stack.close, gate.close, copy.remove, fixture.remove);
});
beforeEach(() => {
  sockets = new Set();
});
afterAll(async () => {
  for (const cleanup of cleanups) await cleanup();
  origin.closeAllConnections();
  origin.close();
});

const outside = (init?: RequestInit) => fetch(`${stack.url}/outside/x`, init);

describe('a stream', () => {
  it('sends each chunk before the next one is written', async () => {
    const response = await fetch(`${stack.url}/stream?way=paced&port=${gate.port}`);
    expect(response.status).toBe(201);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    const reader = response.body?.getReader();
    for (const chunk of ['one', 'two', 'three']) {
      // The function waits at the gate, so a chunk that arrives now was written before.
      await gate.arrived(1);
      const read = await reader?.read();
      expect(Buffer.from(read?.value ?? []).toString()).toBe(chunk);
      gate.open();
    }
    expect((await reader?.read())?.done).toBe(true);
  });

  it('can be an origin that the function selects', async () => {
    const response = await fetch(`${stack.url}/any/path?to=stream&way=plain`);
    expect(await response.text()).toBe('hello');
  });

  it('may be large', async () => {
    const response = await fetch(`${stack.url}/stream?way=large`);
    expect((await response.arrayBuffer()).byteLength).toBe(8 * 1024 * 1024);
  });

  it.each(['broken', 'exit'])(
    'breaks, and does not end, if the function fails in the middle (%s)',
    async (way) => {
      const response = await fetch(`${stack.url}/stream?way=${way}`);
      expect(response.status).toBe(201);
      await expect(response.text()).rejects.toThrow();
    },
  );

  it('shows its headers before its first event', async () => {
    respond = (_, response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    const controller = new AbortController();
    const response = await outside({ signal: controller.signal });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    controller.abort();
  });
});

describe('a viewer that disconnects', () => {
  it.each(['before', 'in the middle of'])('ends the request to the origin, %s the answer', async (when) => {
    const gone = new Promise<void>((resolve) => {
      respond = (request, response) => {
        request.socket.on('close', resolve);
        if (when === 'before') controller.abort();
        else response.write('begun');
      };
    });
    const controller = new AbortController();
    const answered = outside({ signal: controller.signal });
    if (when === 'before') {
      await expect(answered).rejects.toThrow();
    } else {
      const response = await answered;
      await response.body?.getReader().read();
      controller.abort();
    }
    await gone;
  });
});

describe('an origin', () => {
  it('reuses its connection for the next request', async () => {
    respond = (_, response) => response.end('ok');
    for (const _ of [1, 2, 3]) expect(await (await outside()).text()).toBe('ok');
    expect(sockets.size).toBe(1);
  });

  it('that closes the connection makes the answer 502', async () => {
    respond = (request) => request.socket.destroy();
    const response = await outside();
    expect(response.status).toBe(502);
    expect(response.headers.get('x-cache')).toBe('Error from cloudfront');
    expect(await response.text()).toContain('The request could not be satisfied');
  });

  it('that never answers gets one request, and makes the answer 504', async () => {
    const silent = vi.fn();
    respond = silent;
    const response = await outside();
    expect(response.status).toBe(504);
    expect(silent).toHaveBeenCalledOnce();
  });

  it('that stops sending in the middle breaks the answer', async () => {
    respond = (_, response) => response.write('begun');
    const response = await outside();
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
  });

  it('that keeps sending may take longer than the timeout', async () => {
    respond = (_, response) => {
      const begun = Date.now();
      const timer = setInterval(() => {
        response.write('.');
        if (Date.now() - begun <= TIMEOUT_MS) return;
        clearInterval(timer);
        response.end('end');
      }, 20);
    };
    expect(await (await outside()).text()).toMatch(/^\.+end$/);
  });

  it('that closes in the middle breaks the answer', async () => {
    respond = (request, response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('begun', () => request.socket.destroy());
    };
    const response = await outside();
    await expect(response.text()).rejects.toThrow();
  });

  it('has a connection of its own, whose headers the viewer does not get', async () => {
    respond = (_, response) => {
      response.writeHead(200, { connection: 'close', 'x-own': 'kept', via: '1.1 other' }).end('ok');
    };
    const response = await outside();
    expect(response.headers.get('connection')).toBe('keep-alive');
    expect(response.headers.get('x-own')).toBe('kept');
  });

  it.each([204, 304])('may answer without a body (%i)', async (status) => {
    respond = (_, response) => response.writeHead(status).end();
    const response = await outside();
    expect(response.status).toBe(status);
    expect(await response.text()).toBe('');
  });
});

describe('the cache of a behavior', () => {
  /** Returns what the cache did, and the body. */
  const cached = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${stack.url}/cached/${path}`, { headers });
    return [response.headers.get('x-cache')?.split(' ')[0], await response.text()];
  };
  const counting = (status: number, headers: Record<string, string>) => {
    let count = 0;
    respond = (_, response) => {
      count += 1;
      response.writeHead(status, headers).end(String(count));
    };
  };

  // The clock stands still between two requests, however long they take.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
  afterEach(() => void vi.useRealTimers());

  it('has the key of its policy', async () => {
    counting(200, { 'cache-control': 'max-age=60' });
    expect(await cached('key')).toEqual(['Miss', '1']);
    expect(await cached('key?secret=a', { 'x-other': 'a' })).toEqual(['Hit', '1']);
    expect(await cached('key?a=1')).toEqual(['Miss', '2']);
    expect(await cached('key?a=1&secret=b')).toEqual(['Hit', '2']);
    expect(await cached('key', { 'x-key': 'a' })).toEqual(['Miss', '3']);
  });

  it('forwards and returns only the headers of its policies', async () => {
    let seen: IncomingMessage['headers'] = {};
    respond = (request, response) => {
      seen = request.headers;
      response.writeHead(200, {
        vary: 'Authorization, Accept, X-Key',
        'set-cookie': 'a=1',
        'cache-control': 'no-store',
      });
      response.end();
    };
    const headers = { authorization: 'Bearer x', cookie: 'a=1', 'x-key': 'k', 'x-own': 'o' };
    const response = await fetch(`${stack.url}/cached/forwarded?secret=s`, { headers });
    expect(seen).toMatchObject({ 'x-key': 'k', 'x-own': 'o' });
    expect([seen.authorization, seen.cookie]).toEqual([undefined, undefined]);
    expect(response.headers.get('vary')).toBe('Accept, X-Key');
    expect(response.headers.has('set-cookie')).toBe(false);
  });

  it('caches an error for the time in the template, else for ten seconds', async () => {
    counting(503, {});
    expect([await cached('503'), await cached('503')]).toEqual([
      ['Miss', '1'],
      ['Miss', '2'],
    ]);
    counting(404, {});
    expect([await cached('404'), await cached('404')]).toEqual([
      ['Miss', '1'],
      ['Hit', '1'],
    ]);
    vi.advanceTimersByTime(1_001);
    expect(await cached('404')).toEqual(['Miss', '2']);
    counting(501, {});
    expect([await cached('501'), await cached('501')]).toEqual([
      ['Miss', '1'],
      ['Hit', '1'],
    ]);
  });

  it('caches an answer until it expires', async () => {
    counting(200, { 'cache-control': 'max-age=1' });
    expect([await cached('time'), await cached('time')]).toEqual([
      ['Miss', '1'],
      ['Hit', '1'],
    ]);
    vi.advanceTimersByTime(1_001);
    expect(await cached('time')).toEqual(['Miss', '2']);
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import {
  type Backend,
  contextOf,
  idOf,
  keyOf,
  openClient,
  openIdentified,
  startBackend,
} from '../socket-stack.ts';
import { at, rawRequest, synthesizeFixture } from '../support.ts';

const ID = /^[\w-]{15}=$/;

let backend: Backend;
let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
let stack: LocalStack;
let url: string;
const lines: string[] = [];
beforeAll(async () => {
  backend = await startBackend();
  fixture = await synthesizeFixture({ backend: backend.port }, 'socket');
  stack = await startLocalStack({ assembly: fixture.assembly, log: (line) => lines.push(line) });
  url = `${stack.outputs.ApiEndpoint}/ws`;
});
afterAll(async () => {
  await stack.close();
  fixture.remove();
  await backend.close();
});
beforeEach(() => backend.answer({}));
afterEach(() => backend.reset());

const upgradeHeaders = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};
const api = () => url.replace('ws://', 'http://').replace(/\/ws$/, '');

describe('$connect', () => {
  it('gets the headers as they were written and the query, in both forms', async () => {
    const client = await openClient(`${url}?a=1&a=2&b=%20`, {
      headers: { 'X-Own': 'x', 'user-agent': 'me' },
    });
    const { event } = await backend.event((each) => keyOf(each) === '$connect');
    expect(event).toMatchObject({
      headers: { 'X-Own': 'x', Host: url.split('/')[2], Upgrade: 'websocket', 'X-Forwarded-Proto': 'http' },
      multiValueHeaders: { 'X-Own': ['x'] },
      queryStringParameters: { a: '2', b: ' ' },
      multiValueQueryStringParameters: { a: ['1', '2'], b: [' '] },
      isBase64Encoded: false,
      requestContext: {
        routeKey: '$connect',
        eventType: 'CONNECT',
        messageDirection: 'IN',
        stage: 'ws',
        connectionId: expect.stringMatching(ID),
        requestId: expect.stringMatching(ID),
        connectedAt: expect.any(Number),
        requestTimeEpoch: expect.any(Number),
        requestTime: expect.stringMatching(/^\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
        identity: { sourceIp: '127.0.0.1', userAgent: 'me' },
        domainName: url.split('/')[2],
        apiId: expect.any(String),
      },
    });
    expect(event).not.toHaveProperty('body');
    expect(contextOf(event)).not.toHaveProperty('messageId');
    client.socket.close();
  });

  it('has no query members without a query', async () => {
    const client = await openClient(url);
    const { event } = await backend.event((each) => keyOf(each) === '$connect');
    expect(event).not.toHaveProperty('queryStringParameters');
    expect(event).not.toHaveProperty('multiValueQueryStringParameters');
    client.socket.terminate();
  });

  it.each([
    [{ statusCode: 401 }, 401, 'Unauthorized'],
    [{ statusCode: 403 }, 403, 'Forbidden'],
    [{ statusCode: 400, body: 'no' }, 400, 'Bad Request'],
    [{ statusCode: 429 }, 429, 'Too Many Requests'],
    [{ statusCode: 500 }, 500, 'Internal server error'],
    [{ statusCode: 302 }, 502, 'Internal server error'],
    ['throw', 502, 'Internal server error'],
    ['nothing', 502, 'Internal server error'],
    [{ statusCode: 200, headers: { 'Sec-WebSocket-Protocol': 'a\r\nb: c' } }, 502, 'Internal server error'],
  ])(
    'that returns %j is answered %i instead of an upgrade, and $disconnect is not invoked',
    async (result, status, message) => {
      backend.answer({ $connect: () => result });
      const refused = await rawRequest(`${api()}/ws`, { headers: upgradeHeaders });
      expect(refused.status).toBe(status);
      const body = at(JSON.parse(refused.body));
      expect(body).toEqual({
        message,
        connectionId: expect.stringMatching(ID),
        requestId: expect.stringMatching(ID),
      });
      // After $disconnect of a later connection, that of the first would have been invoked, too.
      backend.answer({});
      const later = await openIdentified(backend, url);
      later.socket.close();
      await backend.end(later.id);
      const invocationsOf = backend.invocations.filter(
        (invocation) => idOf(invocation) === body.connectionId,
      );
      expect(invocationsOf.map(({ event }) => keyOf(event))).toEqual(['$connect']);
    },
  );

  it('decides about the subprotocol', async () => {
    backend.answer({
      $connect: () => ({ statusCode: 200, headers: { 'sec-websocket-PROTOCOL': 'two' } }),
    });
    const client = await openClient(url, { protocols: ['one', 'two'] });
    expect(client.socket.protocol).toBe('two');
    client.socket.close();
    const { event } = await backend.event((each) => keyOf(each) === '$connect');
    expect(at(event, 'headers')['Sec-WebSocket-Protocol']).toBe('one,two');
  });

  it('that names no subprotocol upgrades without one, which clients refuse', async () => {
    await expect(openClient(url, { protocols: ['one'] })).rejects.toThrow('Server sent no subprotocol');
    const connected = await backend.event((each) => keyOf(each) === '$connect');
    const { event } = await backend.end(idOf(connected));
    expect(contextOf(event).disconnectStatusCode).toBe(1006);
  });

  it('is not invoked for an invalid handshake or another path', async () => {
    const status = async (path: string, headers: Record<string, string>) => {
      const { status, body } = await rawRequest(`${api()}${path}`, { headers });
      return [status, at(JSON.parse(body)).message];
    };
    for (const path of ['/', '/other', '/ws/', '/ws/more', '/WS']) {
      expect(await status(path, upgradeHeaders)).toEqual([403, 'Forbidden']);
    }
    expect(await status('/ws', {})).toEqual([403, 'Forbidden']);
    expect(await status(`/ws?x=${'y'.repeat(4_096)}`, upgradeHeaders)).toEqual([414, 'URI Too Long']);
    const bad = [
      { 'sec-websocket-version': '8' },
      { 'sec-websocket-key': 'short' },
      { 'sec-websocket-protocol': 'a,,b' },
      { 'sec-websocket-protocol': 'a, a' },
    ];
    for (const headers of bad) {
      expect(await status('/ws', { ...upgradeHeaders, ...headers })).toEqual([400, 'Bad Request']);
    }
    expect(backend.invocations.filter(({ event }) => keyOf(event) === '$connect')).toEqual([]);
  });
});

describe('a message', () => {
  it('goes to the route of its action, without headers and query', async () => {
    const client = await openIdentified(backend, url);
    client.send({ action: 'ask', what: 'time' });
    const { event } = await backend.event((each) => keyOf(each) === 'ask');
    expect(event).toEqual({
      requestContext: expect.objectContaining({
        routeKey: 'ask',
        eventType: 'MESSAGE',
        connectionId: client.id,
        messageId: expect.stringMatching(ID),
        identity: { sourceIp: '127.0.0.1' },
      }),
      body: '{"action":"ask","what":"time"}',
      isBase64Encoded: false,
    });
    client.socket.close();
  });

  it.each(['no json', '[]', '{"action":1}', '{"action":"unknown"}', '{"action":"$connect"}', '"ask"'])(
    'like %s goes to $default',
    async (message) => {
      const client = await openIdentified(backend, url);
      client.send(message);
      const { event } = await backend.event((each) => keyOf(each) === '$default');
      expect(event.body).toBe(message);
      client.socket.close();
    },
  );

  it('is answered if the route has a response, and only then', async () => {
    const answer = () => ({ statusCode: 200, body: 'said' });
    backend.answer({ ask: ({ event }) => ({ statusCode: 200, body: `to ${event.body}` }), $default: answer });
    const client = await openIdentified(backend, url);
    client.send('{"action":"none"}');
    await backend.event((each) => keyOf(each) === '$default');
    client.send({ action: 'ask', n: 1 });
    await client.message('to');
    expect(client.messages).toEqual(['to {"action":"ask","n":1}']);
    client.socket.close();
  });

  it('is not answered if the function returns no body', async () => {
    const silent = { statusCode: 200, body: null };
    backend.answer({
      ask: ({ event }) => (String(event.body).includes('1') ? silent : { statusCode: 200, body: 'b' }),
    });
    const client = await openIdentified(backend, url);
    client.send({ action: 'ask', n: 1 });
    client.send({ action: 'ask', n: 2 });
    await client.message('b');
    expect(client.messages).toEqual(['b']);
    client.socket.close();
  });

  it('does not wait for the message before it', async () => {
    const held = Promise.withResolvers<object>();
    backend.answer({
      ask: async ({ event }) => {
        const body = String(event.body);
        if (body.includes('first')) await held.promise;
        return { statusCode: 200, body };
      },
    });
    const client = await openIdentified(backend, url);
    client.send({ action: 'ask', n: 'first' });
    client.send({ action: 'ask', n: 'second' });
    await client.message('second');
    expect(client.messages).toHaveLength(1);
    held.resolve({ statusCode: 200 });
    await client.message('first');
    client.socket.close();
  });

  it.each([
    ['ask', 'throw', 'Internal server error'],
    ['ask', 'nothing', 'Internal server error'],
    ['ask', { statusCode: 200, body: 'AA==', isBase64Encoded: true }, 'Internal server error'],
    ['ask', { statusCode: 200, body: 'x'.repeat(128 * 1_024 + 1) }, 'Internal server error'],
    ['$default', 'throw', 'Internal server error'],
    ['brief', new Promise(() => {}), 'Endpoint request timed out'],
  ])('to %s that fails is answered by the gateway (%#)', async (action, result, message) => {
    backend.answer({ [action]: () => result });
    const client = await openIdentified(backend, url);
    client.send({ action });
    const frame: unknown = JSON.parse(await client.message('message'));
    expect(frame).toEqual({ message, connectionId: client.id, requestId: expect.stringMatching(ID) });
    client.socket.close();
  });
});

describe('$disconnect', () => {
  it.each([
    ['a code and a reason', 4_000, 'enough', { disconnectStatusCode: 4_000, disconnectReason: 'enough' }],
    [
      'no code',
      undefined,
      undefined,
      { disconnectStatusCode: 1_005, disconnectReason: 'Client-side close frame status not set' },
    ],
  ])('is invoked after a close with %s', async (_, code, reason, expected) => {
    const client = await openIdentified(backend, url);
    client.socket.close(code, reason);
    const { event } = await backend.end(client.id);
    expect(contextOf(event)).toMatchObject({ ...expected, eventType: 'DISCONNECT' });
    expect(contextOf(event)).not.toHaveProperty('messageId');
    expect(event).not.toHaveProperty('body');
    expect(Object.keys(at(event, 'headers'))).toEqual(['Host', 'x-api-key', 'X-Forwarded-For', 'x-restapi']);
  });

  it('is invoked after the client has broken the connection, and delays no close', async () => {
    const held = Promise.withResolvers<object>();
    backend.answer({ $disconnect: () => held.promise });
    const client = await openIdentified(backend, url);
    client.socket.terminate();
    expect(contextOf((await backend.end(client.id)).event).disconnectStatusCode).toBe(1_006);
    const next = await openIdentified(backend, url);
    expect(next.id).not.toBe(client.id);
    next.socket.close();
    await next.closed;
    held.resolve({ statusCode: 200 });
  });

  it('is invoked if the client disconnects before the answer of $connect', async () => {
    const held = Promise.withResolvers<object>();
    backend.answer({ $connect: () => held.promise });
    const opening = openClient(url);
    opening.catch(() => {});
    const connecting = await backend.event((event) => keyOf(event) === '$connect');
    const control = `${stack.control}/connections`;
    expect(await (await fetch(control)).json()).toEqual([
      { api: 'Socket/Api', connectionId: idOf(connecting), state: 'connecting', since: expect.any(String) },
    ]);
    await fetch(control, { method: 'DELETE' });
    await expect(opening).rejects.toThrow('socket hang up');
    held.resolve({ statusCode: 200 });
    await backend.end(idOf(connecting));
    expect(await (await fetch(control)).json()).toEqual([]);
  });
});

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
import { at, rawRequest, resourceOf, synthesizeFixture, tamper } from '../support.ts';

let backend: Backend;
let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
let stack: LocalStack;
let url: string;
beforeAll(async () => {
  backend = await startBackend();
  fixture = await synthesizeFixture({ backend: backend.port }, 'socket');
  stack = await startLocalStack({ assembly: fixture.assembly });
  url = stack.socketUrl ?? '';
});
afterAll(async () => {
  await stack.close();
  fixture.remove();
  await backend.close();
});
beforeEach(() => backend.answer({ ask: ({ event }) => ({ statusCode: 200, body: event.body }) }));
afterEach(() => backend.reset());

const upgrade = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

describe('the WebSocket URL', () => {
  it('is that of the distribution for clients, and that of the API for functions', async () => {
    expect(url).toBe(`${stack.url.replace('http:', 'ws:')}/ws`);
    const endpoint = stack.outputs.ApiEndpoint ?? '';
    expect(endpoint).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
    expect(url).not.toBe(`${endpoint}/ws`);
    expect([endpoint.replace('ws:', 'http:'), stack.url]).not.toContain(stack.apiUrl);
    const client = await openIdentified(backend, url);
    const connect = await backend.event((event) => keyOf(event) === '$connect');
    expect(connect.socketUrl).toBe(`${endpoint}/ws`);
    expect(connect.callbackUrl).toBe(`${endpoint.replace('ws:', 'http:')}/ws`);
    client.socket.close();
  });

  it('is that of the API if the distribution does not lead to it', async () => {
    const copy = tamper(fixture.assembly, 'Socket', (template) => {
      const { properties } = resourceOf(template, 'AWS::CloudFront::Distribution');
      Object.assign(at(properties, 'DistributionConfig'), { CacheBehaviors: [] });
    });
    const other = await startLocalStack({ assembly: copy.assembly });
    try {
      expect(other.socketUrl).toBe(`${other.outputs.ApiEndpoint}/ws`);
    } finally {
      await other.close();
      copy.remove();
    }
  });
});

describe('a WebSocket through the distribution', () => {
  it('carries headers and query, and adds Via', async () => {
    const client = await openClient(`${url}?ticket=1`, { headers: { authorization: 'Bearer x' } });
    const { event } = await backend.event((each) => keyOf(each) === '$connect');
    expect(event.queryStringParameters).toEqual({ ticket: '1' });
    expect(at(event, 'headers')).toMatchObject({
      authorization: 'Bearer x',
      host: stack.outputs.ApiEndpoint?.replace('ws://', ''),
      via: '1.1 local.cloudfront.net (CloudFront)',
      'X-Forwarded-For': '127.0.0.1, 127.0.0.1',
    });
    client.socket.close();
  });

  it('carries messages in both directions, also in several frames of 32 KB', async () => {
    const client = await openIdentified(backend, url);
    const body = JSON.stringify({ action: 'ask', x: 'x'.repeat(100_000) });
    const bytes = Buffer.from(body);
    for (let start = 0; start < bytes.length; start += 32_768) {
      const part = bytes.subarray(start, start + 32_768);
      client.socket.send(part, { binary: false, fin: start + 32_768 >= bytes.length });
    }
    expect(await client.message('xx')).toBe(body);
    client.socket.close(4_001, 'done');
    expect(contextOf((await backend.end(client.id)).event)).toMatchObject({
      disconnectStatusCode: 4_001,
      disconnectReason: 'done',
    });
    expect(await client.closed).toEqual({ code: 4_001, reason: 'done' });
  });

  it('has the subprotocol of the function', async () => {
    backend.answer({ $connect: () => ({ statusCode: 200, headers: { 'Sec-WebSocket-Protocol': 'b' } }) });
    const client = await openClient(url, { protocols: ['a', 'b'] });
    expect(client.socket.protocol).toBe('b');
    client.socket.close();
  });

  it('is refused with the status of the function', async () => {
    backend.answer({ $connect: () => ({ statusCode: 401 }) });
    const { status, headers, body } = await rawRequest(`${stack.url}/ws`, { headers: upgrade });
    expect([status, headers['x-cache']]).toEqual([401, 'Miss from cloudfront']);
    expect(JSON.parse(body)).toMatchObject({ message: 'Unauthorized' });
  });

  it('that the client breaks ends at the API', async () => {
    const client = await openIdentified(backend, url);
    client.socket.terminate();
    expect(contextOf((await backend.end(client.id)).event).disconnectStatusCode).toBe(1_006);
  });

  it('that the API breaks ends at the client', async () => {
    const client = await openIdentified(backend, url);
    await fetch(`${stack.control}/connections`, { method: 'DELETE' });
    expect((await client.closed).code).toBe(1_006);
  });

  it('whose client disconnects during $connect leaves no connection', async () => {
    const held = Promise.withResolvers<object>();
    backend.answer({ $connect: () => held.promise });
    const opening = openClient(url);
    opening.catch(() => {});
    const connecting = await backend.event((event) => keyOf(event) === '$connect');
    await fetch(`${stack.control}/connections`, { method: 'DELETE' });
    await expect(opening).rejects.toThrow('502');
    held.resolve({ statusCode: 200 });
    await backend.end(idOf(connecting));
  });

  it('is refused by an origin that accepts none, and a WebSocket API refuses a plain request', async () => {
    const { status, body } = await rawRequest(`${stack.url}/other`, { headers: upgrade });
    expect([status, body]).toEqual([403, expect.stringContaining('The origin takes no WebSockets.')]);
    expect((await rawRequest(`${stack.url}/other`, {})).status).toBe(200);
    expect(
      (await rawRequest(`${stack.url}/other`, { headers: { connection: 'Upgrade', upgrade: 'h2c' } })).status,
    ).toBe(200);
    const plain = await rawRequest(`${stack.url}/ws`, {});
    expect([plain.status, plain.body]).toEqual([403, '{"message":"Forbidden"}']);
    expect((await rawRequest(`${stack.url}/ws`, { method: 'POST', headers: upgrade })).status).toBe(403);
  });
});

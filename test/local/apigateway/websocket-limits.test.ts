import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CALM, type Chaos } from '../../../local/faults/chaos.ts';
import { createSocketChaos } from '../../../local/faults/chaos-sockets.ts';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import { type Backend, contextOf, keyOf, openIdentified, startBackend } from '../socket-stack.ts';
import { jsonOf, synthesizeFixture } from '../support.ts';

const KILOBYTE = 1_024;
const FRAME = 32 * KILOBYTE;

let backend: Backend;
let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
beforeAll(async () => {
  backend = await startBackend();
  fixture = await synthesizeFixture({ backend: backend.port }, 'socket');
});
afterAll(async () => {
  fixture.remove();
  await backend.close();
});
beforeEach(() => {
  backend.reset();
  backend.answer({ ask: ({ event }) => ({ statusCode: 200, body: event.body }) });
});

/** Runs `run` with a separate stack in chaos mode. */
async function withStack(chaos: Partial<Chaos>, run: (stack: LocalStack, url: string) => Promise<void>) {
  const stack = await startLocalStack({ assembly: fixture.assembly, chaos: { ...CALM, ...chaos } });
  try {
    await run(stack, `${stack.outputs.ApiEndpoint}/ws`);
  } finally {
    await stack.close();
  }
}

/** Calls `@connections` for the connection of the client, with the admin key. */
function callConnection(
  { aws }: LocalStack,
  client: { id: string; callbackUrl: string },
  request: { method: string; body?: string },
) {
  const scope = `${aws.accessKeyId}/20260101/us-east-1/execute-api/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host;x-amz-date, Signature=0`;
  const headers = { authorization, 'x-amz-date': '20260101T000000Z' };
  const url = `${client.callbackUrl}/@connections/${encodeURIComponent(client.id)}`;
  return fetch(url, { ...request, headers });
}

const post = (stack: LocalStack, client: { id: string; callbackUrl: string }, body: string) =>
  callConnection(stack, client, { method: 'POST', body });

const ask = (length: number) =>
  `{"action":"ask","x":"${'x'.repeat(length - '{"action":"ask","x":""}'.length)}"}`;

describe('a client', () => {
  let stack: LocalStack;
  let url: string;
  beforeAll(async () => {
    stack = await startLocalStack({ assembly: fixture.assembly });
    url = `${stack.outputs.ApiEndpoint}/ws`;
  });
  afterAll(() => stack.close());
  const open = () => openIdentified(backend, url);
  /** Sends one message in frames of this size. */
  function sendParts(client: Awaited<ReturnType<typeof open>>, message: string, size: number) {
    const bytes = Buffer.from(message);
    for (let start = 0; start < bytes.length; start += size) {
      const part = bytes.subarray(start, start + size);
      client.socket.send(part, { binary: false, fin: start + size >= bytes.length });
    }
  }

  it('may send a frame of 32 KB, and a message of 128 KB in such frames', async () => {
    const client = await open();
    client.send(ask(FRAME));
    expect(await client.message('x')).toHaveLength(FRAME);
    sendParts(client, ask(4 * FRAME), FRAME);
    await expect.poll(() => client.messages.map(({ length }) => length)).toEqual([FRAME, 4 * FRAME]);
    client.socket.close();
  });

  it('may not send a larger frame; earlier messages are delivered', async () => {
    const client = await open();
    client.send(ask(100));
    client.send(ask(FRAME + 1));
    client.send(ask(100));
    expect((await client.closed).code).toBe(1_009);
    await backend.event((event) => keyOf(event) === 'ask');
    expect(contextOf((await backend.end(client.id)).event).disconnectStatusCode).toBe(1_009);
    expect(backend.invocations.filter(({ event }) => keyOf(event) === 'ask')).toHaveLength(1);
  });

  it('may not send a larger frame, even in a message that has not ended', async () => {
    const client = await open();
    client.socket.send('x'.repeat(FRAME + 1), { fin: false });
    expect((await client.closed).code).toBe(1_009);
  });

  it('may not send a larger message', async () => {
    const client = await open();
    sendParts(client, ask(4 * FRAME + 1), FRAME);
    expect((await client.closed).code).toBe(1_009);
    await backend.end(client.id);
    expect(backend.invocations.filter(({ event }) => keyOf(event) === 'ask')).toEqual([]);
  });

  it('may not send binary messages', async () => {
    const client = await open();
    client.socket.send(Buffer.from('{"action":"ask"}'), { binary: true });
    expect((await client.closed).code).toBe(1_003);
    expect(contextOf((await backend.end(client.id)).event).disconnectStatusCode).toBe(1_003);
    expect(backend.invocations.filter(({ event }) => keyOf(event) === 'ask')).toEqual([]);
  });

  it('may not send text that is not UTF-8', async () => {
    const client = await open();
    client.socket.send(Buffer.from([0xff]), { binary: false });
    expect((await client.closed).code).toBe(1_007);
  });

  it('may send a ping, which is answered', async () => {
    const client = await open();
    const pong = new Promise((resolve) => client.socket.once('pong', resolve));
    client.socket.ping();
    await pong;
    client.socket.close();
  });
});

describe('a connection', () => {
  it('ends when it is idle, and $disconnect has the reason', async () => {
    await withStack({ clockScale: 2_000 }, async (_, url) => {
      const client = await openIdentified(backend, url);
      expect(await client.closed).toEqual({ code: 1_001, reason: 'Going away' });
      expect(contextOf((await backend.end(client.id)).event)).toMatchObject({
        disconnectStatusCode: 1_001,
        disconnectReason: 'Going away',
      });
    });
  });

  it('is active with a message or a post, and not with a ping', async () => {
    await withStack({}, async (stack, url) => {
      const client = await openIdentified(backend, url);
      const lastActive = async () => {
        const response = await callConnection(stack, client, { method: 'GET' });
        return Date.parse(String((await jsonOf(response)).lastActiveAt));
      };
      const connected = await lastActive();
      const pong = () => new Promise((resolve) => client.socket.once('pong', resolve));
      // Until the clock shows another millisecond.
      while (Date.now() <= connected) await Promise.all([pong(), client.socket.ping()]);
      await Promise.all([pong(), client.socket.ping()]);
      expect(await lastActive()).toBe(connected);

      await post(stack, client, 'x');
      const posted = await lastActive();
      expect(posted).toBeGreaterThan(connected);
      // The function returns nothing for this message.
      await expect
        .poll(async () => {
          client.send({ action: 'unanswered' });
          return await lastActive();
        })
        .toBeGreaterThan(posted);
    });
  });

  it('is listed, and can be broken without a close frame', async () => {
    await withStack({}, async (stack, url) => {
      const control = `${stack.control}/connections`;
      const clients = await Promise.all([openIdentified(backend, url), openIdentified(backend, url)]);
      const list: unknown = await (await fetch(control)).json();
      expect(list).toHaveLength(2);
      expect(list).toContainEqual({
        api: 'Socket/Api',
        connectionId: clients[0].id,
        state: 'open',
        since: expect.stringMatching(/^\d{4}-.*Z$/),
      });
      expect((await fetch(control, { method: 'DELETE' })).status).toBe(204);
      for (const { closed, id } of clients) {
        expect((await closed).code).toBe(1_006);
        expect(contextOf((await backend.end(id)).event).disconnectStatusCode).toBe(1_006);
      }
      expect(await (await fetch(control)).json()).toEqual([]);
    });
  });

  it('does not keep the stack from closing, even if the client does not answer', async () => {
    let silent: Socket | undefined;
    await withStack({}, async (_, url) => {
      const client = await openIdentified(backend, url);
      client.socket.pause();
      const raw = connect(Number(new URL(url).port), '127.0.0.1');
      silent = raw;
      const answered = new Promise((resolve) => raw.once('data', resolve));
      raw.write(
        'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      expect(String(await answered)).toMatch(/^HTTP\/1\.1 101 /);
    });
    silent?.destroy();
  });
});

describe('chaos mode', () => {
  it('loses $disconnect of some connections', async () => {
    await withStack({ seed: 7, lostDisconnects: 0.5 }, async (_, url) => {
      const { losesDisconnect } = createSocketChaos({ ...CALM, seed: 7, lostDisconnects: 0.5 });
      const lost: string[] = [];
      const kept: string[] = [];
      for (let count = 0; count < 12; count += 1) {
        const client = await openIdentified(backend, url);
        (losesDisconnect() ? lost : kept).push(client.id);
        client.socket.close();
        await client.closed;
      }
      expect(Math.min(lost.length, kept.length)).toBeGreaterThan(0);
      for (const id of kept) await backend.end(id);
      const ended = backend.invocations.filter(({ event }) => keyOf(event) === '$disconnect');
      expect(ended).toHaveLength(kept.length);
    });
  });

  it('throttles some posts and fails others, half of which arrive', async () => {
    await withStack({ seed: 1, throttledPosts: 0.2, failedPosts: 0.4 }, async (stack, url) => {
      const client = await openIdentified(backend, url);
      const results = new Map<string, string>();
      for (let count = 0; count < 60; count += 1) {
        const response = await post(stack, client, `<${count}>`);
        results.set(`<${count}>`, `${response.status} ${response.headers.get('x-amzn-errortype')}`);
      }
      client.send(ask(100));
      await client.message('x');
      const arrived = (result: string) =>
        [...results].filter(([, each]) => each === result).map(([text]) => client.messages.includes(text));
      expect(new Set(arrived('200 null'))).toEqual(new Set([true]));
      expect(new Set(arrived('429 LimitExceededException'))).toEqual(new Set([false]));
      expect(new Set(arrived('500 InternalServerException'))).toEqual(new Set([true, false]));
    });
  });
});

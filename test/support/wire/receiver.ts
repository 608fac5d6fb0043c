/**
 * A receiver of webhooks on this machine: takes whatever comes, and verifies it with the library that receivers use.
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { beforeEach, expect } from 'vitest';

export interface Delivered {
  readonly id: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Byte for byte. */
  readonly raw: string;
  readonly body: { readonly [key: string]: unknown };
  /** When it came, in milliseconds since 1970. */
  readonly at: number;
}

/** What it answers; an `undefined` status is no answer at all. */
export interface Answer {
  readonly status?: number | undefined;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** How long it takes to say so, in milliseconds. */
  readonly afterMs?: number;
}

/** @param nth how often the message has come by now, from 1 on; 0 for what is no message */
export type Reply = (delivered: Delivered, nth: number) => Answer | Promise<Answer>;

export interface Receiver {
  readonly url: string;
  readonly received: Delivered[];
  /** Requests of other methods than POST. */
  readonly asked: { readonly method: string; readonly headers: Readonly<Record<string, string>> }[];
  reply: Reply;
  readonly close: () => Promise<void>;
}

const headersOf = (request: IncomingMessage): Record<string, string> =>
  Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));

/** Throws unless the delivery is signed with the secret, now. */
export function verify(secret: string, { raw, headers }: Delivered): void {
  new Webhook(secret).verify(raw, headers);
}

/** Ends when so many messages have come, and no more. */
export const arrived = async ({ received }: Receiver, count: number): Promise<void> =>
  await expect.poll(() => received.length).toBe(count);

/** What was published, of all that came. */
export const dataOf = ({ received }: Receiver): unknown[] => received.map(({ body }) => body.data);

/** The receiver of the test that runs: each test of the file that calls this has a new one, at another URL. */
export function receiverOfEachTest(): Receiver {
  let current: Receiver | undefined;
  const present = (): Receiver => current ?? expect.fail('no test runs');
  beforeEach(async () => {
    current = await startReceiver();
    return current.close;
  });
  return {
    get url() {
      return present().url;
    },
    get received() {
      return present().received;
    },
    get asked() {
      return present().asked;
    },
    get reply() {
      return present().reply;
    },
    set reply(reply: Reply) {
      present().reply = reply;
    },
    close: () => present().close(),
  };
}

export async function startReceiver(): Promise<Receiver> {
  const server = createServer((request, response) => void take(receiver, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the receiver has no port');
  const receiver: Receiver = {
    url: `http://127.0.0.1:${address.port}/hooks`,
    received: [],
    asked: [],
    reply: () => ({ status: 204 }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}

async function take(receiver: Receiver, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = headersOf(request);
  // The sender may die in the middle of the request. Then nothing has arrived.
  const raw = await text(request).catch(() => undefined);
  if (raw === undefined) return;
  const id = headers['webhook-id'] ?? '';
  const isPost = request.method === 'POST';
  const body = isPost ? JSON.parse(raw) : {};
  const delivered = { id, path: request.url ?? '', headers, raw, body, at: Date.now() };
  if (isPost) receiver.received.push(delivered);
  else receiver.asked.push({ method: request.method ?? '', headers });
  const nth = receiver.received.filter((one) => one.id === id && one.path === delivered.path).length;
  const answer = await receiver.reply(delivered, nth);
  if (answer.afterMs !== undefined) await wait(answer.afterMs);
  if (answer.status !== undefined) response.writeHead(answer.status, answer.headers ?? {}).end(answer.body);
}

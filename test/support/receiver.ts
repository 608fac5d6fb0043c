/**
 * A receiver of webhooks on this machine: takes whatever comes, and verifies it with the library that receivers use.
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Webhook } from 'standardwebhooks';

export interface Delivered {
  readonly id: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Byte for byte. */
  readonly raw: string;
  readonly body: { readonly [key: string]: unknown };
}

/** What it answers; an `undefined` status is no answer at all. */
export type Reply = (
  delivered: Delivered,
  nth: number,
) => {
  readonly status?: number | undefined;
  readonly headers?: Record<string, string>;
  readonly body?: string;
};

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
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  const raw = Buffer.concat(chunks).toString('utf8');
  const id = headers['webhook-id'] ?? '';
  const isPost = request.method === 'POST';
  const delivered = { id, path: request.url ?? '', headers, raw, body: isPost ? JSON.parse(raw) : {} };
  if (isPost) receiver.received.push(delivered);
  else receiver.asked.push({ method: request.method ?? '', headers });
  const nth = receiver.received.filter((one) => one.id === id).length;
  const { status, headers: more = {}, body = '' } = receiver.reply(delivered, nth);
  if (status !== undefined) response.writeHead(status, more).end(body);
}

/**
 * A small webhook receiver. It verifies each delivery with the `standardwebhooks` library, and prints each message once.
 * README.md in this folder explains how to run it, and what is different behind API Gateway.
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

/** Bytes of a body. A delivery has one message of at most 128 KiB, in which each character may be escaped. */
const MAX_BODY = 1024 * 1024;

const HELP = `usage: WEBHOOK_SECRET=whsec_… [PORT=N] npm run receiver

Receives webhooks at http://127.0.0.1:4000/, verifies their signatures, and prints each message once. Ctrl-C ends it.

  WEBHOOK_SECRET  the secret in the answer of POST /webhooks
  PORT            the port (default 4000); 0 takes a free one

examples/webhook-receiver/README.md shows the whole way from an endpoint to a message.
`;

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  process.stdout.write(HELP);
  process.exit();
}

const { WEBHOOK_SECRET = '', PORT = '4000' } = process.env;
const webhook = webhookOf(WEBHOOK_SECRET);

function webhookOf(secret: string): Webhook {
  try {
    return new Webhook(secret);
  } catch {
    return fail('set WEBHOOK_SECRET to the secret that POST /webhooks answered (whsec_…)');
  }
}

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

/** A real receiver stores the ids for two days, so that they survive a restart: retries come for more than a day. */
const seen = new Set<string>();

/**
 * Returns the body as it came. If it is parsed and serialized again, its bytes differ, and the signature does not match.
 * @throws RangeError for more than MAX_BODY bytes
 */
async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  // The request must stay open, so that a body that is too large still gets an answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += chunk.length;
    if (size > MAX_BODY) throw new RangeError(`a body has more than ${MAX_BODY} bytes`);
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks).toString('utf8');
}

const headersOf = (request: IncomingMessage): Record<string, string> =>
  Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = headersOf(request);
  if (request.method === 'OPTIONS' && headers['webhook-request-origin']) {
    // The handshake (PROTOCOL.md §13.6): this receiver accepts events.
    response.writeHead(204, { 'webhook-allowed-origin': headers['webhook-request-origin'] }).end();
    return;
  }
  const event = webhook.verify(await bodyOf(request), headers);
  const id = headers['webhook-id'] ?? '';
  if (!seen.has(id)) process.stdout.write(`${JSON.stringify(event)}\n`);
  seen.add(id);
  response.writeHead(204).end();
}

/** Answers an error. No request may end the process. A sender that disconnects within its body gets no answer, and tries again. */
function refuse(error: unknown, request: IncomingMessage, response: ServerResponse): void {
  const isForged = error instanceof WebhookVerificationError;
  process.stderr.write(
    `${isForged ? 'refused' : 'failed'}: ${error instanceof Error ? error.message : error}\n`,
  );
  if (request.destroyed && !request.complete) return;
  response.writeHead(isForged ? 401 : error instanceof RangeError ? 413 : 500, { connection: 'close' }).end();
}

const server = createServer((request, response) => {
  receive(request, response).catch((error: unknown) => refuse(error, request, response));
});

server.on('error', (error) => fail(error.message));
// The reader of the output has ended, as after `| head -1`.
process.stdout.on('error', () => process.exit());

if (!/^\d{1,5}$/.test(PORT) || Number(PORT) > 65_535)
  fail(`PORT is ${PORT}, it must be a whole number up to 65535`);
server.listen(Number(PORT), '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : PORT;
  process.stderr.write(`receiving at http://127.0.0.1:${port}/\n`);
});

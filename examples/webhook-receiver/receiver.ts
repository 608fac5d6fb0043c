/**
 * A receiver of webhooks in the fewest lines: verifies each delivery with the `standardwebhooks` library, and takes each
 * message once. README.md beside it says how to run it, and what changes behind API Gateway.
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

/** In bytes. A delivery has one message of 128 KiB at most, in which each character may have been escaped. */
const MAX_BODY = 1024 * 1024;

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

/** A real receiver keeps the ids for two days where they outlive a restart: retries come for 28 hours. */
const seen = new Set<string>();

/** The body byte for byte: parsed and written again it would be another text, and the signature would not fit. */
async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Not to be destroyed: a body that is too large is still answered.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += chunk.length;
    if (size > MAX_BODY) throw new RangeError(`a body has more than ${MAX_BODY} bytes`);
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks).toString('utf8');
}

const headersOf = (request: IncomingMessage): Record<string, string> =>
  Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = headersOf(request);
  if (request.method === 'OPTIONS' && headers['webhook-request-origin']) {
    // The handshake (PROTOCOL.md, section 13.6): yes, send me events.
    response.writeHead(204, { 'webhook-allowed-origin': headers['webhook-request-origin'] }).end();
    return;
  }
  const event = webhook.verify(await bodyOf(request), headers);
  const id = headers['webhook-id'] ?? '';
  if (!seen.has(id)) process.stdout.write(`${JSON.stringify(event)}\n`);
  seen.add(id);
  response.writeHead(204).end();
}

/** No request may end the process. A sender that left in the middle of a body gets no answer, and comes again. */
function refuse(error: unknown, request: IncomingMessage, response: ServerResponse): void {
  const isForged = error instanceof WebhookVerificationError;
  process.stderr.write(
    `${isForged ? 'refused' : 'failed'}: ${error instanceof Error ? error.message : error}\n`,
  );
  if (request.destroyed && !request.complete) return;
  response.writeHead(isForged ? 401 : error instanceof RangeError ? 413 : 500, { connection: 'close' }).end();
}

const server = createServer((request, response) => {
  take(request, response).catch((error: unknown) => refuse(error, request, response));
});

server.on('error', (error) => fail(error.message));
// The reader of the output is gone, as after `| head -1`.
process.stdout.on('error', () => process.exit());

if (!/^\d{1,5}$/.test(PORT) || Number(PORT) > 65_535)
  fail(`PORT is ${PORT}, it must be a whole number up to 65535`);
server.listen(Number(PORT), '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : PORT;
  process.stderr.write(`receiving at http://127.0.0.1:${port}/\n`);
});

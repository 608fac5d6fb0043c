/**
 * A receiver of webhooks in the fewest lines: verifies each delivery with the `standardwebhooks` library, and takes each
 * message once. README.md beside it says how to run it, and what changes behind API Gateway.
 * @module
 */
import { createServer, type IncomingMessage } from 'node:http';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

const { WEBHOOK_SECRET, PORT = '4000' } = process.env;
if (!WEBHOOK_SECRET) {
  process.stderr.write('set WEBHOOK_SECRET to the secret that POST /webhooks answered (whsec_…)\n');
  process.exit(1);
}
const webhook = new Webhook(WEBHOOK_SECRET);

/** A real receiver keeps the ids for two days where they outlive a restart: retries come for 28 hours. */
const seen = new Set<string>();

/** The body byte for byte: parsed and written again it would be another text, and the signature would not fit. */
async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

const headersOf = (request: IncomingMessage): Record<string, string> =>
  Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));

const server = createServer(async (request, response) => {
  const headers = headersOf(request);
  if (request.method === 'OPTIONS' && headers['webhook-request-origin']) {
    // The handshake (PROTOCOL.md, section 13.6): yes, send me events.
    response.writeHead(204, { 'webhook-allowed-origin': headers['webhook-request-origin'] }).end();
    return;
  }
  try {
    const event = webhook.verify(await bodyOf(request), headers);
    const id = headers['webhook-id'] ?? '';
    if (!seen.has(id)) process.stdout.write(`${JSON.stringify(event)}\n`);
    seen.add(id);
    response.writeHead(204).end();
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    process.stderr.write(`refused: ${error.message}\n`);
    response.writeHead(401).end();
  }
});

server.listen(Number(PORT), '127.0.0.1', () => {
  process.stderr.write(`receiving at http://127.0.0.1:${PORT}/\n`);
});

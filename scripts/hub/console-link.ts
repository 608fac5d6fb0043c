/**
 * What the console of a local hub has more than that of a deployed one: an address that signs in once, and a receiver of webhooks
 * (docs/adr/0023-console.md).
 * @module
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { fieldsOf } from '../../protocol/fields.ts';

/** Bytes of a code. Nobody can guess it. */
const CODE_BYTES = 32;
/** The longest body of a request to sign in, in bytes. */
const MAX_BODY = 1_024;
const PATH = '/console/sign-in';

/** A console that opens signed in. */
export interface ConsoleLink {
  /** Answers requests to sign in, before the hub sees them. Returns false for every other request. */
  readonly intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Returns the address of the console. It signs in once, with this token. */
  readonly addressOf: (url: string, token: string) => string;
  /** Ends the receiver. */
  readonly close: () => void;
}

/** Opens the receiver, and returns the link. */
export async function consoleLink(): Promise<ConsoleLink> {
  const receiver = await openReceiver();
  const code = Buffer.from(randomBytes(CODE_BYTES).toString('base64url'));
  let session: { readonly token: string; readonly receiver: string } | undefined;

  async function trade(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const length = Number(request.headers['content-length']);
    const given = length <= MAX_BODY ? codeIn(await text(request)) : Buffer.of();
    const isRight = given.length === code.length && timingSafeEqual(given, code);
    const answer = isRight ? session : undefined;
    if (isRight) session = undefined;
    const refusal = { error: { code: 'forbidden', message: 'the code is wrong, or was used before' } };
    response.writeHead(answer ? 200 : 403, {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
    });
    response.end(JSON.stringify(answer ?? refusal));
  }

  return {
    intercept(request, response) {
      if (request.method !== 'POST' || request.url !== PATH) return false;
      // A request that breaks off gets no answer.
      trade(request, response).catch(() => response.destroy());
      return true;
    },
    addressOf(url, token) {
      session = { token, receiver: receiver.url };
      return `${url}/console#code=${code.toString()}`;
    },
    close: receiver.close,
  };
}

function codeIn(body: string): Buffer {
  try {
    return Buffer.from(String(fieldsOf(JSON.parse(body)).code));
  } catch {
    return Buffer.of();
  }
}

/**
 * Opens a receiver that accepts every webhook, so that the first one arrives without another program. It verifies nothing, because it
 * does nothing with what comes. examples/webhook-receiver shows how a real one verifies.
 */
async function openReceiver(): Promise<{ readonly url: string; readonly close: () => void }> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(204).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error('the receiver of webhooks got no port');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

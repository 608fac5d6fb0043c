/**
 * What the console of a local hub has more than that of a deployed one: an address that signs in once, a receiver of webhooks, and a
 * report of what the hub has done (docs/adr/0023-console.md).
 * @module
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { fieldsOf } from '../../protocol/fields.ts';
import { healthOf, managersOf, type ReportingStack } from './hub-health.ts';

/** Bytes of a code. Nobody can guess it. */
const CODE_BYTES = 32;
/** The longest body of a request to sign in, in bytes. */
const MAX_BODY = 1_024;
const SIGN_IN = 'POST /console/sign-in';
const HEALTH = 'GET /console/health';

/** The parts of a running hub that the console needs. */
export interface LinkedHub {
  /** The local stack. */
  readonly stack: ReportingStack & { readonly url: string };
  /** The token with which the address signs in. */
  readonly token: string;
}

/** A console that opens signed in. */
export interface ConsoleLink {
  /** Answers requests to sign in and for the report, before the hub sees them. Returns false for every other request. */
  readonly intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Returns the address of the console of a hub. It signs in once. */
  readonly addressOf: (hub: LinkedHub) => string;
  /** Ends the receiver. */
  readonly close: () => void;
}

/** Opens the receiver, and returns the link. */
export async function consoleLink(): Promise<ConsoleLink> {
  const receiver = await openReceiver();
  const code = Buffer.from(randomBytes(CODE_BYTES).toString('base64url'));
  let session: { readonly token: string; readonly receiver: string } | undefined;
  let health: ((authorization: string) => Promise<object | undefined>) | undefined;

  async function trade(request: IncomingMessage): Promise<object | undefined> {
    const length = Number(request.headers['content-length']);
    const given = length <= MAX_BODY ? codeIn(await text(request)) : Buffer.of();
    const isRight = given.length === code.length && timingSafeEqual(given, code);
    const answer = isRight ? session : undefined;
    if (isRight) session = undefined;
    return answer;
  }

  async function report({ headers }: IncomingMessage): Promise<object | undefined> {
    return await health?.(headers.authorization ?? '');
  }

  return {
    intercept(request, response) {
      const key = `${request.method} ${request.url}`;
      if (key === SIGN_IN) void respond(trade(request), 'the code is wrong, or was used before', response);
      else if (key === HEALTH)
        void respond(report(request), 'the report needs a token with manage on *', response);
      else return false;
      return true;
    },
    addressOf(hub) {
      health = reportsOf(hub.stack);
      session = { token: hub.token, receiver: receiver.url };
      return `${hub.stack.url}/console#code=${code.toString()}`;
    },
    close: receiver.close,
  };
}

/** Returns the function that answers the report of a hub from now on; undefined for a caller that may not have it. */
function reportsOf(stack: ReportingStack): (authorization: string) => Promise<object | undefined> {
  const since = performance.now();
  const isManager = managersOf(stack);
  return async (authorization) =>
    (await isManager(authorization))
      ? { ms: Math.round(performance.now() - since), ...(await healthOf(stack)) }
      : undefined;
}

/** Sends an answer, or the refusal if there is none. A request that breaks off gets nothing. */
async function respond(
  answering: Promise<object | undefined>,
  message: string,
  response: ServerResponse,
): Promise<void> {
  try {
    const answer = await answering;
    const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };
    response.writeHead(answer ? 200 : 403, headers);
    response.end(JSON.stringify(answer ?? { error: { code: 'forbidden', message } }));
  } catch {
    response.destroy();
  }
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

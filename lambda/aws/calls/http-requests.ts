/**
 * HTTP requests to one service over keep-alive sockets, one request at a time on each.
 *
 * Each socket has an undici Client of its own. A Pool of undici would free a socket one turn of the event loop after its answer,
 * and so open a second one for calls that follow each other.
 * @module
 */
import { connect as connectTcp } from 'node:net';
import { connect as connectTls, createSecureContext } from 'node:tls';
import { type buildConnector, Client } from 'undici';

/** The most sockets to one service. One process may serve many requests at once. */
const MAX_SOCKETS = 256;

/** How long the TCP connection may take, in milliseconds. The TLS handshake counts as a part of the request. */
const CONNECT_TIMEOUT_MS = 400;

/** How long an answer that has begun may pause, in milliseconds. undici checks about once a second. */
const BODY_TIMEOUT_MS = 1_000;

/**
 * How long an idle socket stays open, in milliseconds: as in the SDK for Java.
 * https://docs.aws.amazon.com/sdk-for-java/latest/developer-guide/http-configuration-apache.html
 */
const KEEP_ALIVE_MS = 60_000;

/** The answer to a request. */
export interface Answer {
  /** The status. */
  readonly status: number;
  /** The headers, with names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The body as text. */
  readonly body: string;
}

/**
 * Sends a POST. The headers alternate between name and value.
 * @param timeoutMs how long it may take until the answer begins, the wait for a socket included
 * @param path URL-encoded. Default: `/`
 * @throws Error with the name `TimeoutError` if it takes longer, or an error of Node or undici with a `code`
 */
export type SendRequest = (
  headers: string[],
  body: Buffer,
  timeoutMs: number,
  path?: string,
) => Promise<Answer>;

/** A request that waits for a socket, or for its answer. */
interface Pending {
  readonly path: string;
  readonly headers: string[];
  readonly body: Buffer;
  /** Sets the result. Only the first call has an effect. */
  readonly settle: (result: Answer | Error) => void;
  /** Is called when the answer begins. */
  readonly begun: () => void;
  /** Ends the request on its socket. Undefined before the request is sent. */
  abort: ((error: Error) => void) | undefined;
  isSettled: boolean;
  hasBegun: boolean;
}

/**
 * Returns a function that sends requests.
 * @param origin protocol, host and port
 * @param most the most sockets
 */
export function requestsTo(origin: string, most = MAX_SOCKETS): SendRequest {
  const settings = {
    connect: connectorTo(origin),
    allowH2: false,
    // The timeout of each request is more exact than that of undici.
    headersTimeout: 0,
    bodyTimeout: BODY_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  /** The socket that was used last is used first, so that few sockets stay open. */
  const free: Client[] = [];
  const waiting: Pending[] = [];
  let sockets = 0;

  function start(pending: Pending): void {
    const client = free.pop() ?? open();
    if (client) dispatch(client, pending, release);
    else waiting.push(pending);
  }

  function open(): Client | undefined {
    if (sockets >= most) return undefined;
    sockets++;
    return new Client(origin, settings);
  }

  function release(client: Client): void {
    let next = waiting.shift();
    while (next?.isSettled) next = waiting.shift();
    if (next) dispatch(client, next, release);
    else free.push(client);
  }

  return (headers, body, timeoutMs, path = '/') =>
    new Promise((resolve, reject) => {
      const end = (): void => {
        if (pending.hasBegun) return;
        const error = timeoutError(`the service did not answer within ${timeoutMs} ms`);
        pending.settle(error);
        pending.abort?.(error);
      };
      // The process may have been busy or frozen for longer than the timeout. Then the answer may be there, and is read first.
      const timer = setTimeout(() => setImmediate(end), timeoutMs);
      const settle = (result: Answer | Error): void => {
        if (pending.isSettled) return;
        pending.isSettled = true;
        clearTimeout(timer);
        if (result instanceof Error) reject(result);
        else resolve(result);
      };
      const begun = (): void => {
        pending.hasBegun = true;
        clearTimeout(timer);
      };
      const fresh = { abort: undefined, isSettled: false, hasBegun: false };
      const pending: Pending = { path, headers, body, settle, begun, ...fresh };
      start(pending);
    });
}

const timeoutError = (message: string): Error => Object.assign(new Error(message), { name: 'TimeoutError' });

function dispatch(client: Client, pending: Pending, release: (client: Client) => void): void {
  const { path, headers, body } = pending;
  const chunks: Buffer[] = [];
  let status = 0;
  let received: Answer['headers'] = {};
  client.dispatch(
    { method: 'POST', path, headers, body },
    {
      onRequestStart(controller) {
        pending.abort = (error) => controller.abort(error);
        // Its time was over before it had a socket. It must not be sent any more.
        if (pending.isSettled) controller.abort(timeoutError('the request was not sent'));
      },
      onResponseStart(_controller, code, answerHeaders) {
        pending.begun();
        status = code;
        received = answerHeaders;
      },
      onResponseData(_controller, chunk) {
        chunks.push(chunk);
      },
      onResponseEnd() {
        release(client);
        const [first, ...more] = chunks;
        const all = more.length > 0 ? Buffer.concat(chunks) : first;
        pending.settle({ status, headers: received, body: all?.toString('utf8') ?? '' });
      },
      onResponseError(_controller, error) {
        pending.settle(error);
        // Deferred: undici is still failing all requests of the lost connection, and a request that is sent now would fail too.
        queueMicrotask(() => release(client));
      },
    },
  );
}

/** Returns a function that opens sockets. Unlike that of undici, its timeout does not include the TLS handshake. */
function connectorTo(origin: string): buildConnector.connector {
  const { protocol, hostname, port } = new URL(origin);
  const isTls = protocol === 'https:';
  // One for all sockets: making one for each takes a quarter of the processor time of connecting, measured on Node 24.
  const secureContext = isTls ? createSecureContext() : undefined;
  let session: Buffer | undefined;
  return (_options, callback) => {
    const socket =
      secureContext === undefined
        ? connectTcp({ host: hostname, port: Number(port || 80), noDelay: true })
        : connectTls({
            host: hostname,
            port: Number(port || 443),
            servername: hostname,
            secureContext,
            ...(session && { session }),
            ALPNProtocols: ['http/1.1'],
          })
            .setNoDelay(true)
            .on('session', (newer: Buffer) => {
              session = newer;
            });
    const end = (): void => {
      if (socket.connecting) socket.destroy(timeoutError(`no connection within ${CONNECT_TIMEOUT_MS} ms`));
    };
    const timer = setTimeout(() => setImmediate(end), CONNECT_TIMEOUT_MS);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      callback(error, null);
    };
    socket
      .once('error', failed)
      .once('connect', () => clearTimeout(timer))
      .once(isTls ? 'secureConnect' : 'connect', () => {
        socket.off('error', failed);
        callback(null, socket);
      });
  };
}

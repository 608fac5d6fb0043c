/**
 * A connection slot: one keep-alive socket with one request at a time. The number of slots bounds the requests in flight.
 *
 * Each slot has an undici Client of its own. A Pool of undici would free a socket one turn of the event loop after its answer,
 * so that with all sockets in use each post would wait in the Pool.
 * @module
 */
import { createSecureContext } from 'node:tls';
import { buildConnector, Client, type Dispatcher, errors } from 'undici';
import type { Method } from './sigv4.ts';

/** The status if the connection was lost, or if the answer did not come in time. */
export const NO_ANSWER = 0;

/**
 * How long an idle socket stays open, in milliseconds. The gateway may close it while Lambda has frozen the process. Node
 * notices that in the first turn of the event loop after the thaw, before the first post.
 */
const KEEP_ALIVE_MS = 30_000;

/** Sends one request. The path is URL-encoded. The headers alternate between name and value. The default method is POST. */
export type Send = (path: string, headers: string[], body: Buffer, method?: Method) => void;

/**
 * Opens a slot. Its socket opens with the first request.
 * @param answered gets the status of each request, or NO_ANSWER, or the error of a request that cannot be sent, for example with
 *   a malformed header. It may send the next request at once, and must not throw
 */
export type OpenSlot = (answered: (answer: number | Error) => void) => Send;

/**
 * Returns a function that opens slots to a server.
 * @param origin protocol, host and port
 * @param timeoutMs how long connecting may take, and then how long the answer, in milliseconds
 */
export function connectionSlotsTo(origin: string, timeoutMs: number): OpenSlot {
  // One for all slots: making one for each takes a quarter of the processor time of connecting, measured on Node 24.
  const secureContext = createSecureContext();
  // Over HTTP/2 the posts would share one socket and its flow control. Over HTTP/1.1 they fail one at a time.
  const connect = buildConnector({ secureContext, timeout: timeoutMs, allowH2: false });
  const timeouts = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs, keepAliveTimeout: KEEP_ALIVE_MS };
  return (answered) => {
    const client = new Client(origin, { connect, allowH2: false, ...timeouts });
    const handler = handlerOf(answered);
    return (path, headers, body, method = 'POST') => {
      client.dispatch({ method, path, headers, body }, handler);
    };
  };
}

/** One handler serves all requests of a slot, because they come one after the other. */
function handlerOf(answered: (answer: number | Error) => void): Dispatcher.DispatchHandler {
  let status = NO_ANSWER;
  return {
    onRequestStart() {},
    onResponseStart(_controller, code) {
      status = code;
    },
    // The body is not needed, but undici requires the function.
    onResponseData() {},
    onResponseEnd: () => answered(status),
    onResponseError(_controller, error) {
      const answer = error instanceof errors.InvalidArgumentError ? error : NO_ANSWER;
      // Deferred: undici is still failing all requests of the lost connection, and a request that is sent now would fail with
      // them.
      queueMicrotask(() => answered(answer));
    },
  };
}

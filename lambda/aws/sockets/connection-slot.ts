/**
 * A lane: one keep-alive socket, one request on it at a time. Lanes side by side are a window that needs no counting.
 *
 * Each is a Client of undici of its own and not one Pool of many: a Pool frees a socket a turn of the event loop after
 * its answer, so that with every socket in use each post would queue in the Pool before it is sent.
 * @module
 */
import { createSecureContext } from 'node:tls';
import { buildConnector, Client, type Dispatcher, errors } from 'undici';
import type { Method } from './sigv4.ts';

/** In place of a status: the connection was lost, or the answer did not come in time. */
export const NO_ANSWER = 0;

/**
 * How long an idle socket is kept, in milliseconds. One that the other side closed while Lambda had the environment
 * frozen is found closed in the first turn of the event loop after that, before there is anything to post.
 */
const KEEP_ALIVE_MS = 30_000;

/** Sends one POST, unless it is another method. Its path is URL-encoded, its headers are name and value in turn. */
export type Send = (path: string, headers: string[], body: Buffer, method?: Method) => void;

/**
 * Opens a lane, and its socket with the first POST.
 * @param answered gets the status of each POST, or NO_ANSWER, or the error of one that cannot be sent, such as with a
 *   malformed header. It may send the next at once, and must not throw.
 */
export type OpenSlot = (answered: (answer: number | Error) => void) => Send;

/**
 * @param origin protocol, host and port
 * @param timeoutMs how long to connect may take, and then how long the answer, in milliseconds
 */
export function connectionSlotsTo(origin: string, timeoutMs: number): OpenSlot {
  // One for all lanes: to make one for each is a quarter of the processor time of connecting, measured on Node 24.
  const secureContext = createSecureContext();
  // Over HTTP/2 the posts would share one socket and its window; over HTTP/1.1 they fail one at a time.
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

/** One for all posts of a lane, which come one after the other. */
function handlerOf(answered: (answer: number | Error) => void): Dispatcher.DispatchHandler {
  let status = NO_ANSWER;
  return {
    onRequestStart() {},
    onResponseStart(_controller, code) {
      status = code;
    },
    // What it says is not looked at; undici asks for the function all the same.
    onResponseData() {},
    onResponseEnd: () => answered(status),
    onResponseError(_controller, error) {
      const answer = error instanceof errors.InvalidArgumentError ? error : NO_ANSWER;
      // Later, since undici is in the middle of it: it fails all that waits when a connection fails, and whoever sends the
      // next from here trips over that.
      queueMicrotask(() => answered(answer));
    },
  };
}

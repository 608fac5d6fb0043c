/**
 * Reads answers of the hub: refusals, events of streams, and frames of sockets.
 * @module
 */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { chunksOf } from '../../client/http.ts';
import { eventsIn } from '../../client/transports/event-stream.ts';
import { fieldsOf } from '../../protocol/fields.ts';

/** Characters of an answer that are printed. */
const SHOWN_CHARS = 120;

/** Returns the status, the type and the beginning of the body of an answer. */
export async function describe(response: Response): Promise<string> {
  const type = response.headers.get('content-type') ?? 'no content type';
  const body = (await response.text()).replace(/\s+/g, ' ').slice(0, SHOWN_CHARS);
  return `${response.status} ${type}${body === '' ? '' : `, ${body}`}`;
}

/** Returns the code of a refusal of the hub (PROTOCOL.md §9). Undefined for any other body. */
export function codeIn(body: string): unknown {
  try {
    return fieldsOf(fieldsOf(JSON.parse(body)).error).code;
  } catch {
    return undefined;
  }
}

/**
 * Waits for an event with that text in its data, and disconnects.
 * @throws Error if it is not a stream, or ends before the event
 */
export async function eventWith(text: string, response: Response): Promise<void> {
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
  if (response.status !== 200 || !isStream || !response.body) throw new Error(await describe(response));
  for await (const { data } of eventsIn(chunksOf(response.body), () => {})) if (data.includes(text)) return;
  throw new Error('the stream ended without the message');
}

/** The time limit to open a socket, and to answer, in milliseconds. */
const SOCKET_MS = 20_000;

/** A socket for a check. */
export interface OpenSocket {
  /** Sends an action. */
  readonly send: (frame: object) => void;
  /**
   * Waits for a frame for which `isIt` is true.
   * @throws Error if none arrives in time
   */
  readonly waitFor: (isIt: (frame: ReturnType<typeof fieldsOf>) => boolean) => Promise<void>;
  /** Ends the connection at once. */
  readonly close: () => void;
}

/**
 * Opens a socket.
 * @throws Error with the status of a refused upgrade
 */
export async function openSocket(
  url: string,
  { headers = {}, protocols = [] }: { headers?: Record<string, string>; protocols?: readonly string[] },
): Promise<OpenSocket> {
  const socket = new WebSocket(url, [...protocols], { headers, handshakeTimeout: SOCKET_MS });
  await once(socket, 'open');
  const frames: ReturnType<typeof fieldsOf>[] = [];
  const arrivals = new EventTarget();
  socket.on('message', (data) => {
    frames.push(fieldsOf(JSON.parse(String(data))));
    arrivals.dispatchEvent(new Event('frame'));
  });
  socket.on('error', () => {});
  return {
    send: (frame) => socket.send(JSON.stringify(frame)),
    async waitFor(isIt) {
      const signal = AbortSignal.timeout(SOCKET_MS);
      while (!frames.some(isIt)) await once(arrivals, 'frame', { signal });
    },
    close: () => socket.terminate(),
  };
}

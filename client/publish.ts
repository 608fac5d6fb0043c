/**
 * Publish: over the socket if one is open, else over HTTP. The key goes with every attempt, so that however many it
 * takes, the messages are appended once (PROTOCOL.md §4.4).
 * @module
 */
import { IDEMPOTENCY_KEY, STREAM_NEXT_OFFSET } from '../protocol/headers.ts';
import { FRAME_BYTES } from '../protocol/limits.ts';
import { parseOffset } from '../protocol/offset.ts';
import { backoff } from './backoff.ts';
import { asTidingsError, foreignAnswer, isLasting, TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import { discard, type Http } from './http.ts';
import type { Publication } from './publication.ts';
import type { Socket } from './socket.ts';
import { deadline, onAbort, sleep } from './timers.ts';

/** How long a publish may take, all attempts and waits together, in milliseconds. */
export const PUBLISH_MS = 60_000;

/** How long one attempt may take, in milliseconds, beside the time that its bytes need on the slowest line. */
const ATTEMPT_MS = 10_000;

/** The slowest line on which the largest publish still arrives within its minute, in bytes for each millisecond. */
const SLOWEST_LINE = 8;

export interface Publisher {
  readonly host: Host;
  readonly http: Http;
  readonly url: string;
  readonly socket: () => Socket | undefined;
  /** Aborted when the client is closed. */
  readonly signal: AbortSignal;
}

/**
 * Publishes, and returns the offset after the last message.
 * @param within how long it may take, in milliseconds
 * @throws TidingsError: a refusal, or `unavailable` when it is unknown whether they were stored
 */
export async function publish(
  publisher: Publisher,
  publication: Publication,
  within: number,
): Promise<string> {
  const { host } = publisher;
  const limit = deadline(host, within, publisher.signal);
  const until = host.now() + within;
  const send = async (limited: Publisher): Promise<string> =>
    (await overSocket(limited, publication)) ?? (await overHttp(limited, publication, until));
  try {
    return await Promise.race([send({ ...publisher, signal: limit.signal }), endOf(limit.signal)]);
  } finally {
    limit.end();
  }
}

/** A request on a socket does not end with a signal. */
const endOf = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const end = (): void => reject(unknown('closed, or not answered in time'));
    if (signal.aborted) end();
    onAbort(signal, end);
  });

const unknown = (why: string, more: { readonly retryAfterMs?: number; readonly cause?: unknown } = {}) =>
  new TidingsError('unavailable', `it is unknown whether the messages were stored: ${why}`, more);

/** Undefined if that was no way, or it is unknown whether it was one. */
async function overSocket(
  { socket }: Publisher,
  { channel, messages, key }: Publication,
): Promise<string | undefined> {
  const open = socket();
  const action = { action: 'publish', channel, key } as const;
  if (!open || !fitsFrame(JSON.stringify(action) + messages)) return undefined;
  try {
    return (await open.request(action, messages)).offset;
  } catch (error) {
    const trouble = asTidingsError(error);
    // A token that has expired since the socket was opened is renewed by a request.
    if (trouble.code !== 'unauthorized' && isLasting(trouble, true)) throw trouble;
    return undefined;
  }
}

/** Leaves room for the id. Larger frames would have to be cut on their way to the socket. */
const fitsFrame = (text: string): boolean => new TextEncoder().encode(text).byteLength < FRAME_BYTES - 100;

/** @param until when it is over; it gives up before a wait that would take longer */
async function overHttp(publisher: Publisher, publication: Publication, until: number): Promise<string> {
  const { host, signal } = publisher;
  for (let failures = 0; ; failures++) {
    try {
      return await attempt(publisher, publication);
    } catch (error) {
      const trouble = asTidingsError(error);
      if (isLasting(trouble, false)) throw trouble;
      const { message, retryAfterMs } = trouble;
      const wait = Math.max(backoff(failures, host.random()), retryAfterMs);
      if (signal.aborted || host.now() + wait >= until)
        throw unknown(message, { retryAfterMs, cause: trouble });
      await sleep(host, wait, signal);
    }
  }
}

async function attempt(
  { host, http, url, signal }: Publisher,
  { channel, messages, key }: Publication,
): Promise<string> {
  const limit = deadline(host, ATTEMPT_MS + messages.length / SLOWEST_LINE, signal);
  try {
    const headers = { 'Content-Type': 'application/json', [IDEMPOTENCY_KEY]: key };
    const address = `${url}/channels/${channel}`;
    const response = await http({ url: address, method: 'POST', headers, body: messages }, limit.signal);
    const offset = offsetIn(response);
    discard(response);
    if (offset === undefined) throw foreignAnswer(response);
    return offset;
  } finally {
    limit.end();
  }
}

/** Undefined for an answer that is not the hub's: a captive portal, a login page or a cache says 2xx as well. */
function offsetIn({ status, redirected, headers }: Response): string | undefined {
  const offset = headers.get(STREAM_NEXT_OFFSET) ?? '';
  const isOfHub = (status === 204 || status === 200) && !redirected && parseOffset(offset) !== undefined;
  return isOfHub ? offset : undefined;
}

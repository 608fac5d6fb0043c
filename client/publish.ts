/**
 * What is published, as it was handed over: written down at once, so that it is the same on every path and each time it
 * is sent, also when the caller changes its objects meanwhile.
 * @module
 */
/**
 * Publish: over the socket if one is open, else over HTTP. The key goes with every attempt, so that however many it
 * takes, the messages are appended once (PROTOCOL.md §4.4).
 * @module
 */
/**
 * A queue for each channel: what is published on it goes out in the order of the calls, one after the other. Two requests
 * that are under way at once overtake each other, on the network and in the hub. Channels do not wait for each other.
 * @module
 */
import { isChannelName } from '../protocol/channel-name.ts';
import { IDEMPOTENCY_KEY, STREAM_NEXT_OFFSET } from '../protocol/headers.ts';
import { FRAME_BYTES, MAX_IDEMPOTENCY_KEY_LENGTH, MAX_REQUEST_BYTES } from '../protocol/limits.ts';
import { parseOffset } from '../protocol/offset.ts';
import { asTidingsError, foreignAnswer, isLasting, TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import { discard, type Http } from './http.ts';
import { backoff, deadline, onAbort, sleep } from './timers.ts';
import type { Socket } from './transports/socket.ts';

export interface Publication {
  readonly channel: string;
  /** The list of messages as JSON text. */
  readonly messages: string;
  /** The Idempotency-Key (PROTOCOL.md §4.4). */
  readonly key: string;
}

/**
 * HTTP drops spaces around a header's value, and a socket does not: the hub would take them for two keys.
 * https://www.rfc-editor.org/rfc/rfc9110#section-5.5
 */
const KEY = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;

/**
 * Writes down what is published.
 * @throws TidingsError what the hub would refuse: `bad_channel`, `bad_request` for the key, `too_large`
 * @throws TypeError for messages that are no list, or that JSON cannot carry
 */
export function publicationOf(channel: string, messages: readonly unknown[], key: string): Publication {
  if (!isChannelName(channel)) throw new TidingsError('bad_channel', `no channel is named "${channel}"`);
  if (typeof key !== 'string' || !KEY.test(key) || key.length > MAX_IDEMPOTENCY_KEY_LENGTH)
    throw new TidingsError(
      'bad_request',
      `key must be 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} printable ASCII characters, without a space at either end`,
    );
  if (!Array.isArray(messages))
    throw new TypeError('messages must be a list, also for one message: publish(channel, [message])');
  // The gateway puts U+FFFD in the place of what is not UTF-8, so the hub takes it as an escape alone (PROTOCOL.md §4).
  const text = `[${Array.from(messages, textOf).join(',')}]`.replaceAll('\ufffd', '\\ufffd');
  const bytes = new TextEncoder().encode(text).byteLength;
  // The platform cuts or refuses what is much larger, in ways that differ by path.
  if (bytes > MAX_REQUEST_BYTES)
    throw new TidingsError(
      'too_large',
      `the messages have ${bytes} bytes, at most ${MAX_REQUEST_BYTES} are allowed`,
    );
  return { channel, messages: text, key };
}

/** @throws TypeError for a BigInt, a circle, undefined, a function or a symbol */
function textOf(message: unknown, at: number): string {
  const text: string | undefined = JSON.stringify(message);
  if (text === undefined) throw new TypeError(`message ${at} is ${typeof message}, which JSON cannot carry`);
  return text;
}

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

interface Job {
  readonly publication: Publication;
  /** When it was handed over. */
  readonly since: number;
  readonly resolve: (offset: string) => void;
  readonly reject: (error: unknown) => void;
}

/** Returns what publishes in the order of its calls. */
export function publishQueue(publisher: Publisher): (publication: Publication) => Promise<string> {
  const { host, signal } = publisher;
  const queues = new Map<string, Job[]>();

  async function serve(channel: string, jobs: Job[]): Promise<void> {
    // A publish that waits behind others has its minute from the last answer on: a long queue that moves is no fault.
    let answered = 0;
    for (let job = jobs[0]; job; jobs.shift(), job = jobs[0]) {
      const within = Math.max(job.since, answered) + PUBLISH_MS - host.now();
      try {
        if (signal.aborted) throw notSent('the client is closed');
        if (within <= 0) throw notSent('those before it were not answered in time');
        job.resolve(await publish(publisher, job.publication, within));
        answered = host.now();
      } catch (error) {
        if (error instanceof TidingsError && error.code !== 'unavailable') answered = host.now();
        job.reject(error);
      }
    }
    queues.delete(channel);
  }

  return (publication) =>
    new Promise((resolve, reject) => {
      const job = { publication, since: host.now(), resolve, reject };
      const waiting = queues.get(publication.channel);
      if (waiting) return void waiting.push(job);
      const jobs = [job];
      queues.set(publication.channel, jobs);
      void serve(publication.channel, jobs);
    });
}

const notSent = (why: string): TidingsError =>
  new TidingsError('unavailable', `the messages were not sent: ${why}`);

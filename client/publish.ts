/**
 * Publishing: over the socket if one is open, else over HTTP. Each attempt sends the same key, so the messages are
 * appended once, however many attempts there are (PROTOCOL.md §4.4). Each channel has a queue, because two requests on
 * one channel could overtake each other, on the network and in the hub. Channels do not wait for each other.
 * @module
 */
import { isChannelName } from '../protocol/channel-name.ts';
import { IDEMPOTENCY_KEY, STREAM_NEXT_OFFSET } from '../protocol/headers.ts';
import { FRAME_BYTES, MAX_IDEMPOTENCY_KEY_LENGTH, MAX_REQUEST_BYTES } from '../protocol/limits.ts';
import { parseOffset } from '../protocol/offset.ts';
import { asTidingsError, foreignAnswer, isLasting, TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import { discard, type Http } from './http.ts';
import type { RetryBudget } from './retry-budget.ts';
import { deadline, onAbort, retryWait } from './timers.ts';
import type { Socket } from './transports/socket.ts';

/** The messages of one publish, serialized. */
export interface Publication {
  /** The name of the channel. */
  readonly channel: string;
  /**
   * The messages as JSON text. They are serialized at once, so that each attempt sends the same text, even if the
   * caller changes its objects.
   */
  readonly messages: string;
  /** The Idempotency-Key (PROTOCOL.md §4.4). */
  readonly key: string;
}

/**
 * HTTP removes spaces around the value of a header, and a socket does not. The hub would see two different keys.
 * https://www.rfc-editor.org/rfc/rfc9110#section-5.5
 */
const KEY = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;

/**
 * Returns the messages as they are at this moment.
 * @throws TidingsError for what the hub would refuse: `bad_channel`, `bad_request` for the key, `too_large`
 * @throws TypeError if `messages` is not an array, or if JSON cannot carry a message
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
  // The gateway replaces bytes that are not UTF-8 by U+FFFD. So the hub accepts that character only as an escape
  // (PROTOCOL.md §4).
  const text = `[${Array.from(messages, textOf).join(',')}]`.replaceAll('\ufffd', '\\ufffd');
  const bytes = new TextEncoder().encode(text).byteLength;
  // The platform cuts or refuses larger requests, each transport in its own way.
  if (bytes > MAX_REQUEST_BYTES)
    throw new TidingsError(
      'too_large',
      `the messages have ${bytes} bytes, at most ${MAX_REQUEST_BYTES} are allowed`,
    );
  return { channel, messages: text, key };
}

/**
 * Returns a message as JSON.
 * @throws TypeError for a BigInt, a cyclic object, undefined, a function or a symbol
 */
function textOf(message: unknown, at: number): string {
  const text: string | undefined = JSON.stringify(message);
  if (text === undefined) throw new TypeError(`message ${at} is ${typeof message}, which JSON cannot carry`);
  return text;
}

/** The longest time of a publish, with all attempts and waits, in milliseconds. */
export const PUBLISH_MS = 60_000;

/** The longest time of one attempt, in milliseconds, in addition to the time that its bytes need on the slowest line. */
const ATTEMPT_MS = 10_000;

/** The slowest line on which the largest publish arrives within its minute, in bytes per millisecond. */
const SLOWEST_LINE = 8;

/** The parts that publishing needs. */
export interface Publisher {
  /** The timers and random numbers. */
  readonly host: Host;
  /** Sends the requests. */
  readonly http: Http;
  /** The URL of the hub, without a slash at its end. */
  readonly url: string;
  /** Returns the open socket, if there is one that answers. */
  readonly socket: () => Socket | undefined;
  /** Pays for every attempt after the first. */
  readonly budget: RetryBudget;
  /** Aborted when the client is closed. */
  readonly signal: AbortSignal;
}

/**
 * Publishes, and returns the offset after the last message.
 * @param within milliseconds that it may take
 * @throws TidingsError a refusal, or `unavailable` if it is unknown whether the messages were stored
 */
export async function publish(
  publisher: Publisher,
  publication: Publication,
  within: number,
): Promise<string> {
  const { host } = publisher;
  const limit = deadline(host, within, publisher.signal);
  const until = host.now() + within;
  const limited = { ...publisher, signal: limit.signal };
  try {
    return await Promise.race([send(limited, publication, until), endOf(limit.signal)]);
  } finally {
    limit.end();
  }
}

/** Rejects when the signal is aborted. A request on a socket does not end with a signal. */
const endOf = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const end = (): void => reject(unknownOutcome('closed, or not answered in time'));
    if (signal.aborted) end();
    onAbort(signal, end);
  });

const unknownOutcome = (
  why: string,
  more: { readonly retryAfterMs?: number; readonly cause?: unknown } = {},
) => new TidingsError('unavailable', `it is unknown whether the messages were stored: ${why}`, more);

/**
 * Tries until the hub answers: once on the socket if there is one, then over HTTP.
 * @param until the time at which it gives up, by `host.now()`. It gives up before a wait that would end later
 */
async function send(publisher: Publisher, publication: Publication, until: number): Promise<string> {
  const { host, signal, budget } = publisher;
  let open = socketFor(publisher, publication);
  for (let failures = 0; ; failures++) {
    try {
      const offset = await (open ? overSocket(open, publication) : overHttp(publisher, publication));
      budget.answered(failures > 0);
      return offset;
    } catch (error) {
      const trouble = asTidingsError(error);
      const { message, retryAfterMs } = trouble;
      if (isFinal(trouble, open !== undefined)) {
        budget.answered(failures > 0);
        throw trouble;
      }
      // If the socket ended or did not answer, the hub has refused nothing, and HTTP may be faster.
      const isUnanswered = open !== undefined && retryAfterMs === 0;
      const wait = isUnanswered ? 0 : retryWait(failures, host.random(), retryAfterMs);
      open = undefined;
      if (signal.aborted || host.now() + wait >= until)
        throw unknownOutcome(message, { retryAfterMs, cause: trouble });
      await budget.wait(wait, signal);
    }
  }
}

/** True if no other attempt can help. If the token has expired since the socket was opened, an HTTP request gets a new one. */
const isFinal = (trouble: TidingsError, isOnSocket: boolean): boolean =>
  isLasting(trouble, isOnSocket) && !(isOnSocket && trouble.code === 'unauthorized');

const actionOf = ({ channel, key }: Publication) => ({ action: 'publish', channel, key }) as const;

/** Returns the open socket; undefined if there is none, or if the messages do not fit. */
function socketFor({ socket }: Publisher, publication: Publication): Socket | undefined {
  const text = JSON.stringify(actionOf(publication)) + publication.messages;
  return fitsFrame(text) ? socket() : undefined;
}

/** True if the text fits one frame of API Gateway, with 100 bytes for the id. A larger one would be split. */
const fitsFrame = (text: string): boolean => new TextEncoder().encode(text).byteLength < FRAME_BYTES - 100;

async function overSocket(open: Socket, publication: Publication): Promise<string> {
  const { offset } = await open.request(actionOf(publication), publication.messages);
  // A frame without an offset is no acknowledgement. It does not get here (frames.ts).
  if (offset === undefined) throw new TidingsError('internal', 'the answer to the publish has no offset');
  return offset;
}

async function overHttp(
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

/** Returns undefined if the answer is not the hub's. A captive portal, a login page or a cache answers 2xx as well. */
function offsetIn({ status, redirected, headers }: Response): string | undefined {
  const offset = headers.get(STREAM_NEXT_OFFSET) ?? '';
  const isOfHub = (status === 204 || status === 200) && !redirected && parseOffset(offset) !== undefined;
  return isOfHub ? offset : undefined;
}

/** A publish that waits until those before it on its channel are answered. */
interface QueuedPublish {
  readonly publication: Publication;
  /** The time of the call, by `host.now()`. */
  readonly since: number;
  readonly resolve: (offset: string) => void;
  readonly reject: (error: unknown) => void;
}

/** Returns a function that publishes in the order of its calls, one publish at a time on each channel. */
export function publishQueue(publisher: Publisher): (publication: Publication) => Promise<string> {
  const { host, signal } = publisher;
  const queues = new Map<string, QueuedPublish[]>();

  async function serve(channel: string, queue: QueuedPublish[]): Promise<void> {
    // The minute of a publish that waits in the queue begins with the last answer. A long queue that moves is not a
    // failure.
    let answered = 0;
    for (let next = queue[0]; next; queue.shift(), next = queue[0]) {
      const within = Math.max(next.since, answered) + PUBLISH_MS - host.now();
      try {
        if (signal.aborted) throw notSent('the client is closed');
        if (within <= 0) throw notSent('those before it were not answered in time');
        next.resolve(await publish(publisher, next.publication, within));
        answered = host.now();
      } catch (error) {
        if (error instanceof TidingsError && error.code !== 'unavailable') answered = host.now();
        next.reject(error);
      }
    }
    queues.delete(channel);
  }

  return (publication) =>
    new Promise((resolve, reject) => {
      const queued = { publication, since: host.now(), resolve, reject };
      const waiting = queues.get(publication.channel);
      if (waiting) return void waiting.push(queued);
      const queue = [queued];
      queues.set(publication.channel, queue);
      void serve(publication.channel, queue);
    });
}

const notSent = (why: string): TidingsError =>
  new TidingsError('unavailable', `the messages were not sent: ${why}`);

/**
 * Publish: over the socket if one is open, else over HTTP. The key goes with every attempt, so that however many it
 * takes, the messages are appended once (PROTOCOL.md §4.4).
 * @module
 */
import { isChannelName } from '../protocol/channel-name.ts';
import { IDEMPOTENCY_KEY, STREAM_NEXT_OFFSET } from '../protocol/headers.ts';
import { FRAME_BYTES } from '../protocol/limits.ts';
import { backoff } from './backoff.ts';
import { asTidingsError, isLasting, TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import type { Http } from './http.ts';
import type { Socket } from './socket.ts';
import { deadline, sleep } from './timers.ts';

/** How long a publish may take, all attempts and waits together, in milliseconds. */
const PUBLISH_MS = 60_000;

/** How long one attempt may take, in milliseconds. */
const ATTEMPT_MS = 15_000;

export interface Publisher {
  readonly host: Host;
  readonly http: Http;
  readonly url: string;
  readonly socket: () => Socket | undefined;
  readonly signal: AbortSignal;
}

export interface Publication {
  readonly channel: string;
  readonly messages: readonly unknown[];
  readonly key: string;
}

/**
 * Answers the offset after the last message.
 * @throws TidingsError: a refusal, or `unavailable` within a minute, when it is unknown whether they were stored
 */
export async function publish(publisher: Publisher, publication: Publication): Promise<string> {
  const { channel } = publication;
  const { host } = publisher;
  if (!isChannelName(channel)) throw new TidingsError('bad_channel', `no channel is named "${channel}"`);
  const limit = deadline(host, PUBLISH_MS, publisher.signal);
  const until = host.now() + PUBLISH_MS;
  const send = async (limited: Publisher): Promise<string> =>
    (await overSocket(limited, publication)) ?? (await overHttp(limited, publication, until));
  try {
    return await Promise.race([send({ ...publisher, signal: limit.signal }), endOf(limit.signal)]);
  } finally {
    limit.end();
  }
}

/** Not everything that is waited for ends with a signal: a token's function does not. */
const endOf = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const end = (): void => reject(new TidingsError('unavailable', 'closed, or not answered in time'));
    if (signal.aborted) end();
    signal.addEventListener('abort', end);
  });

/** Undefined if that was no way, or it is unknown whether it was one. */
async function overSocket(
  { socket }: Publisher,
  { channel, messages, key }: Publication,
): Promise<string | undefined> {
  const open = socket();
  const action = { action: 'publish', channel, messages, key };
  if (!open || !fitsFrame(action)) return undefined;
  try {
    return (await open.request(action)).offset;
  } catch (error) {
    const trouble = asTidingsError(error);
    // A token that has expired since the socket was opened is renewed by a request.
    if (trouble.code !== 'unauthorized' && isLasting(trouble, true)) throw trouble;
    return undefined;
  }
}

/** Leaves room for the id. Larger frames would have to be cut by whatever writes them to the wire. */
const fitsFrame = (action: object): boolean =>
  new TextEncoder().encode(JSON.stringify(action)).byteLength < FRAME_BYTES - 100;

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
        throw new TidingsError('unavailable', message, { retryAfterMs, cause: trouble });
      await sleep(host, wait, signal);
    }
  }
}

async function attempt(
  { host, http, url, signal }: Publisher,
  { channel, messages, key }: Publication,
): Promise<string> {
  const limit = deadline(host, ATTEMPT_MS, signal);
  try {
    const headers = { 'Content-Type': 'application/json', [IDEMPOTENCY_KEY]: key };
    const body = JSON.stringify(messages);
    const address = `${url}/channels/${channel}`;
    const response = await http({ url: address, method: 'POST', headers, body }, limit.signal);
    return response.headers.get(STREAM_NEXT_OFFSET) ?? '';
  } finally {
    limit.end();
  }
}

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

/** Attempts over HTTP before the caller is told: half a minute, about. */
const MAX_ATTEMPTS = 6;

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
 * @throws TidingsError: a refusal, or `unavailable` after some attempts, when it is unknown whether they were stored
 */
export async function publish(publisher: Publisher, publication: Publication): Promise<string> {
  const { channel } = publication;
  if (!isChannelName(channel)) throw new TidingsError('bad_channel', `no channel is named "${channel}"`);
  return (await overSocket(publisher, publication)) ?? (await overHttp(publisher, publication));
}

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

async function overHttp(publisher: Publisher, publication: Publication): Promise<string> {
  const { host, signal } = publisher;
  for (let failures = 0; ; failures++) {
    try {
      return await attempt(publisher, publication);
    } catch (error) {
      const trouble = asTidingsError(error);
      if (isLasting(trouble, false) || failures + 1 >= MAX_ATTEMPTS || signal.aborted) throw trouble;
      const wait = Math.max(backoff(failures, host.random()), trouble.retryAfterMs);
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

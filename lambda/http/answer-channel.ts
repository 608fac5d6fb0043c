/**
 * Turns results of the domain into headers and bodies of the protocol (PROTOCOL.md §5, §6).
 * @module
 */

import { Refusal } from '../../protocol/errors.ts';
import {
  PRODUCER_EPOCH,
  PRODUCER_SEQ,
  STREAM_CLOSED,
  STREAM_CURSOR,
  STREAM_EXPIRES_AT,
  STREAM_KEY,
  STREAM_NEXT_OFFSET,
  STREAM_POLL_AFTER,
  STREAM_START_OF_HISTORY,
  STREAM_START_OFFSET,
  STREAM_TTL,
  STREAM_UP_TO_DATE,
} from '../../protocol/headers.ts';
import { formatOffset } from '../../protocol/offset.ts';
import type { Appended } from '../hub/log/append.ts';
import { type Channel, isJson, pollAfterSeconds, tailOffset } from '../hub/log/channel.ts';
import type { Messages } from '../hub/log/entry.ts';
import type { Created } from '../hub/log/lifecycle.ts';
import type { ReadBefore, ReadRequest } from '../hub/log/read-before.ts';
import { type From, isPosition, type ReadResult } from '../hub/log/read-log.ts';

/**
 * Returns 204 with the offset after the messages. A producer gets more (Durable Streams §5.2.1): 200 for new messages and 204
 * for a repetition, with its epoch and its last sequence number.
 * @param epoch of the producer; undefined if the request names no producer
 */
export function answerAppended(
  { nextOffset, closed, lastSeq, count }: Appended,
  epoch: number | undefined,
): Response {
  const headers = new Headers({ [STREAM_NEXT_OFFSET]: nextOffset });
  if (closed) headers.set(STREAM_CLOSED, 'true');
  if (epoch === undefined) return new Response(null, { status: 204, headers });
  headers.set(PRODUCER_EPOCH, String(epoch));
  if (lastSeq !== undefined) headers.set(PRODUCER_SEQ, String(lastSeq));
  return new Response(null, { status: count > 0 ? 200 : 204, headers });
}

/** Returns the answer to DELETE of a channel. */
export const answerRemoved = (): Response => new Response(null, { status: 204 });

/** Returns 201 with the address of a new channel, or 200 if it was there. */
export function answerCreated({ created, channel }: Created, url: string): Response {
  const headers = new Headers({
    'Content-Type': channel.contentType,
    [STREAM_NEXT_OFFSET]: tailOffset(channel),
  });
  if (channel.closed) headers.set(STREAM_CLOSED, 'true');
  if (created) headers.set('Location', url.split('?', 1)[0] ?? url);
  return new Response(null, { status: created ? 201 : 200, headers });
}

/** Returns the answer to HEAD, which describes a channel. */
export function answerHead(channel: Channel): Response {
  const headers = new Headers({
    'Content-Type': channel.contentType,
    [STREAM_NEXT_OFFSET]: tailOffset(channel),
    'Cache-Control': 'no-store',
  });
  if (channel.closed) headers.set(STREAM_CLOSED, 'true');
  if (channel.streamKey !== undefined) headers.set(STREAM_KEY, channel.streamKey);
  if (channel.ttlSeconds !== undefined) headers.set(STREAM_TTL, String(channel.ttlSeconds));
  if (channel.expiresAt !== undefined) headers.set(STREAM_EXPIRES_AT, channel.expiresAt);
  return new Response(null, { status: 200, headers });
}

/** The result of a read, and the parts of its request that decide how it may be cached. */
export interface ReadAnswer {
  /** The channel that was read. */
  readonly channel: Channel;
  /** The position at which the caller asked to begin or to end. */
  readonly asked: ReadRequest;
  /** The messages, and where they begin and end. */
  readonly result: ReadResult & Partial<ReadBefore>;
  /** True if anyone may read the channel, so that a shared cache may serve the answer to the next caller. */
  readonly isPublic: boolean;
  /** Time of the answer, in milliseconds since 1970. */
  readonly now: number;
  /** The header If-None-Match; null if there is none. */
  readonly ifNoneMatch: string | null;
}

/**
 * Returns 200 with the messages, or 304 if the caller has them.
 * @throws Refusal unavailable for a read that goes back and meets a gap that is too young to be sealed
 */
export function answerRead({ channel, asked, result, isPublic, now, ifNoneMatch }: ReadAnswer): Response {
  const isBack = 'before' in asked;
  if (isBack && result.isGap)
    throw new Refusal('unavailable', 'a message before the offset is not stored yet; retry');
  const isNow = (isBack ? asked.before : asked.from) === 'now';
  const headers = new Headers({
    'Content-Type': channel.contentType,
    [STREAM_START_OFFSET]: formatOffset(result.from),
    [STREAM_NEXT_OFFSET]: formatOffset(result.next),
    'Cache-Control': isNow ? 'no-store' : cacheControl(isPublic, isFinal(asked, result)),
    // A cache must not give one caller's answer to another. That includes the cache of a browser after a change of user.
    Vary: 'Authorization, Accept',
  });
  setEnd(headers, channel, result, now);
  if (result.isStartOfHistory) headers.set(STREAM_START_OF_HISTORY, 'true');
  if (!isNow) {
    const etag = tagOf(channel, result, isBack);
    headers.set('ETag', etag);
    if (matches(ifNoneMatch, etag)) return new Response(null, { status: 304, headers });
  }
  return new Response(bodyOf(channel, result.messages), { status: 200, headers });
}

/**
 * Returns the entity tag of a page. Closing the channel, or a gap after the page, changes the answer without a new message. If the
 * tag stayed the same, a 304 would hide the change: a cache keeps a header that the 304 lacks, such as Stream-Up-To-Date.
 */
function tagOf({ streamId }: Channel, result: ReadResult, isBack: boolean): string {
  const range = `${formatOffset(result.from)}:${formatOffset(result.next)}`;
  return `"${streamId}:${range}${isBack ? ':b' : endMark(result)}"`;
}

function endMark({ closed, upToDate }: ReadResult): string {
  if (closed) return ':c';
  return upToDate ? '' : ':m';
}

/**
 * Returns a redirect to the path of the function that holds. CloudFront chooses that function by the query; a client that
 * calls the gateway directly needs the redirect. The client keeps its method and its token, because the origin is the same.
 */
export function redirectToHold(raw: Request): Response {
  const { pathname, search } = new URL(raw.url);
  return new Response(null, {
    status: 307,
    headers: { Location: `/hold${pathname}${search}`, 'Cache-Control': 'no-store' },
  });
}

/** Returns the refusal of a stream by a function that cannot stream. */
export function streamsAreElsewhere(): Refusal {
  return new Refusal(
    'not_supported',
    'Server-Sent Events are served by CloudFront or the streaming URL, not by this URL',
  );
}

/** Returns the answer to a held read: the messages, or 204 with the offset of the end. @param cursor of `cursorAfter` */
export function answerHeld(answer: ReadAnswer, cursor: string): Response {
  const { result } = answer;
  const isEmpty = result.messages.length === 0;
  const response = isEmpty ? new Response(null, { status: 204 }) : answerRead(answer);
  response.headers.set(STREAM_CURSOR, cursor);
  response.headers.set('Cache-Control', heldCacheControl(answer));
  if (!isEmpty) return response;
  response.headers.set(STREAM_START_OFFSET, formatOffset(result.from));
  response.headers.set(STREAM_NEXT_OFFSET, formatOffset(result.next));
  setEnd(response.headers, answer.channel, result, answer.now);
  return response;
}

/** Says whether more can be read now, may come later, or never comes. */
function setEnd(headers: Headers, channel: Channel, result: ReadResult, now: number): void {
  if (result.upToDate) headers.set(STREAM_UP_TO_DATE, 'true');
  if (result.closed) headers.set(STREAM_CLOSED, 'true');
  else if (result.upToDate) headers.set(STREAM_POLL_AFTER, String(pollAfterSeconds(channel, now)));
}

/**
 * Returns who may cache an answer, and for how long. An answer that reached the end changes with the next publish. So each use of
 * it is revalidated (a 304 by ETag); otherwise short polling could be a minute late. With `no-cache` CloudFront also does not
 * give the answer to requests that arrived while it was under way. Such a request may follow a publish that the answer lacks:
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html#request-custom-traffic-spikes
 *
 * An answer that only some callers may read is always revalidated. CloudFront removes `Authorization` from `Vary` if it does not
 * forward that header, so a browser would show a cached page to the next user of the same browser.
 *
 * `stale-if-error=0`: without it CloudFront answers with an expired copy while the origin fails, even of a deleted channel.
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Expiration.html#stale-content
 */
function cacheControl(isPublic: boolean, isFinal: boolean): string {
  if (!isPublic) return 'private, no-cache';
  return `public, ${isFinal ? 'max-age=60' : 'no-cache'}, stale-if-error=0`;
}

/**
 * Returns true for a page that never changes: one that goes back, or a full one with more messages after it. The last messages, and
 * the newest of each key, are others a moment later.
 */
function isFinal(asked: ReadRequest, result: ReadResult): boolean {
  if ('before' in asked) return true;
  if (asked.isConflated || !isOfLog(asked.from)) return false;
  const isFull = !result.upToDate && !result.isGap;
  return isFull && formatOffset(result.next) > formatOffset(result.from);
}

/** Returns true for a start by which all messages of the log are read. */
const isOfLog = (from: From): boolean =>
  from !== 'latest' && !(typeof from === 'object' && ('last' in from || 'foldEnd' in from));

/**
 * For a long poll that ended without messages: cacheable for a second. CloudFront lets requests of one key wait for the first,
 * and gives them its answer if it is cacheable. With `no-store` CloudFront would send all of them to the hub at once, and the hub
 * would hold them for the same time again.
 */
const EMPTY_ANSWER = 'public, max-age=1, stale-if-error=0';

/** Only a read from an offset is cacheable: every other request means something else a moment later. */
function heldCacheControl({ asked, result, isPublic }: ReadAnswer): string {
  if ('before' in asked || asked.isConflated || !isPosition(asked.from) || asked.from.foldEnd)
    return 'no-store';
  if (result.messages.length > 0) return cacheControl(isPublic, true);
  return isPublic ? EMPTY_ANSWER : 'no-store';
}

/** Compares tags: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2 (weak comparison: proxies may weaken a tag) */
function matches(ifNoneMatch: string | null, etag: string): boolean {
  if (ifNoneMatch === null) return false;
  if (ifNoneMatch.trim() === '*') return true;
  return ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

/** Returns messages as a body: a JSON array, or the bytes joined. */
export function bodyOf(channel: Channel, messages: Messages): string | Uint8Array<ArrayBuffer> {
  if (isJson(channel.contentType)) return `[${messages.join(',')}]`;
  return Buffer.concat(
    messages.map((message) => (typeof message === 'string' ? Buffer.from(message) : message)),
  );
}

/** Returns 201 with a ticket. No cache may keep it: a ticket is as secret as the token for which it was issued. */
export function answerTicket(ticket: object): Response {
  return Response.json(ticket, { status: 201, headers: { 'Cache-Control': 'no-store' } });
}

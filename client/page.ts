/**
 * One read over HTTP (PROTOCOL.md §5): a page of messages, and the offset to read on from.
 * @module
 */
import {
  STREAM_CLOSED,
  STREAM_CURSOR,
  STREAM_NEXT_OFFSET,
  STREAM_POLL_AFTER,
  STREAM_START_OF_HISTORY,
  STREAM_START_OFFSET,
  STREAM_UP_TO_DATE,
} from '../protocol/headers.ts';
import { MAX_POLL_AFTER_SECONDS, MIN_POLL_AFTER_SECONDS } from '../protocol/limits.ts';
import { parseOffset } from '../protocol/offset.ts';
import { type Batch, countOf, isSaidByHub, isUnsettled } from './cursor.ts';
import { foreignAnswer, TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import { chunksOf, discard, type Http, type RequestLimits } from './http.ts';
import { deadline } from './timers.ts';

/**
 * The longest wait for the beginning of an answer, in milliseconds, in addition to the 25 s of a held request. It
 * must be short: two requests that a network swallows block all other reads (http.ts).
 */
const ANSWER_MS = 20_000;
const HOLD_MS = 25_000;

/** The longest pause within a body, in milliseconds. */
const IDLE_MS = 30_000;

/**
 * The longest time of a page in total, in milliseconds: 1 MB at 1.7 KB/s. Otherwise a body that comes byte by byte never
 * ends.
 */
const PAGE_MS = 600_000;

/** Bytes of a body. The hub answers with about 1 MB at most (PROTOCOL.md §5). The answer of a proxy may be endless. */
const MAX_PAGE_BYTES = 4 * 1_048_576;

/** The answer to one read. */
export interface Page {
  /** The messages. It may be empty. */
  readonly batch: Batch;
  /** True if these were all messages at that moment. */
  readonly isUpToDate: boolean;
  /** The ETag, for `If-None-Match` of the next read. */
  readonly etag: string | undefined;
  /** The Stream-Cursor for the next long poll (PROTOCOL.md §5.1). */
  readonly cursor: string | undefined;
  /** Milliseconds to wait before the next short poll, as the hub advises. Undefined: it gives no advice. */
  readonly pollAfterMs: number | undefined;
  /** True if nothing older is kept. Only an answer to `before` tells it. */
  readonly isStartOfHistory: boolean;
}

/** One read. */
export interface PageRequest {
  /** The name of the channel. */
  readonly channel: string;
  /** An offset, `-1`, `now`, `latest` or `last=N`. With `limit`, the messages end there. */
  readonly offset: string;
  /** The number of messages that end at the offset. Default: the messages begin there, as many as a page has. */
  readonly limit?: number | undefined;
  /** True to skip messages that newer ones of the same key have replaced. Default: false. */
  readonly isConflated?: boolean;
  /** True for a long poll. Default: false. */
  readonly isHeld?: boolean;
  /** The Stream-Cursor of the last long poll. */
  readonly cursor?: string | undefined;
  /** The ETag of the last page. The hub answers 304 if nothing is new. */
  readonly etag?: string | undefined;
  /** Long polls only: what this client says about itself as a member of the channel. */
  readonly said?: Said | undefined;
}

/** What a member of a channel says about itself (PROTOCOL.md §14.2). */
export interface Said {
  /** Any JSON value. */
  readonly data: unknown;
}

/** Returns the id by which the hub recognizes this client over HTTP; undefined until it has entered a channel. */
export type ReaderId = () => string | undefined;

/** Returns the query that makes all held requests of this client one member of a channel. */
export const readerQuery = (reader: ReaderId): string => {
  const id = reader();
  return id === undefined ? '' : `&reader=${id}`;
};

/** Reads pages of one hub. */
export interface Pages {
  /**
   * Reads one page.
   * @throws TidingsError, or rejects as `fetch` does
   */
  readonly read: (request: PageRequest, signal: AbortSignal) => Promise<Page>;
}

/** The parts that reading pages needs. */
export interface PagesOptions {
  /** The timers. */
  readonly host: Pick<Host, 'after' | 'now'>;
  /** Sends the requests. */
  readonly http: Http;
  /** Bounds the reads that run at the same time. */
  readonly limits: RequestLimits;
  /** The URL of the hub, without a slash at its end. */
  readonly url: string;
  /** The id of this client as a member of channels. */
  readonly reader: ReaderId;
}

/** Returns a reader of pages. Reads that are not held wait for the limits. */
export function pagesOf({ host, http, limits, url, reader }: PagesOptions): Pages {
  async function load(request: PageRequest, signal: AbortSignal): Promise<Page> {
    const { channel, isHeld = false, isConflated = false, cursor, etag, said } = request;
    const live = isHeld ? `&live=long-poll${readerQuery(reader)}` : '';
    const hold = `${isConflated ? '&conflate=true' : ''}${live}`;
    const cursorQuery = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const member = said ? `&presence=${encodeURIComponent(JSON.stringify(said.data))}` : '';
    const headers: Record<string, string> = etag === undefined ? {} : { 'If-None-Match': etag };
    const address = `${url}/channels/${channel}?${rangeOf(request)}${hold}${cursorQuery}${member}`;
    const until = host.now() + PAGE_MS;
    const limit = deadline(host, isHeld ? HOLD_MS + ANSWER_MS : ANSWER_MS, signal);
    try {
      const response = await http({ url: address, headers }, limit.signal);
      const onBytes = (): void => limit.extend(Math.min(IDLE_MS, Math.max(0, until - host.now())));
      onBytes();
      return await pageIn(response, request, onBytes);
    } finally {
      limit.end();
    }
  }
  return {
    read: (request, signal) =>
      request.isHeld ? load(request, signal) : limits.read(() => load(request, signal)),
  };
}

/** Returns the query of the messages that are asked for. */
function rangeOf({ offset, limit }: PageRequest): string {
  if (limit !== undefined) return `before=${offset}&limit=${limit}`;
  return countOf(offset) === undefined ? `offset=${offset}` : offset;
}

async function pageIn(response: Response, request: PageRequest, onBytes: () => void): Promise<Page> {
  const { channel, offset, limit } = request;
  const { headers, status } = response;
  const next = headers.get(STREAM_NEXT_OFFSET) ?? '';
  const isBack = limit !== undefined;
  const from = isBack || isSaidByHub(offset) ? (headers.get(STREAM_START_OFFSET) ?? '') : offset;
  if (!parseOffset(next) || !(isUnsettled(from) || parseOffset(from))) {
    // A page that a network answers instead of the hub has no offset.
    discard(response);
    throw foreignAnswer(response);
  }
  const encoding = encodingOf(response);
  const isEmpty = status === 204 || status === 304;
  const messages = isEmpty ? [] : messagesIn(await bytesOf(response, onBytes), encoding);
  const batch = { channel, messages, encoding, from, next, closed: headers.get(STREAM_CLOSED) === 'true' };
  const isOther = isBack && offset !== 'now' && next !== offset;
  if (isOther || !follows(batch, status)) {
    throw new TidingsError(
      'unavailable',
      `an answer to offset ${offset} ends at ${next}: a cache may be in between`,
    );
  }
  return {
    batch,
    isUpToDate: headers.has(STREAM_UP_TO_DATE) || headers.has(STREAM_CLOSED),
    etag: headers.get('etag') ?? undefined,
    cursor: headers.get(STREAM_CURSOR) ?? undefined,
    pollAfterMs: pollAfterMs(headers.get(STREAM_POLL_AFTER)),
    isStartOfHistory: headers.has(STREAM_START_OF_HISTORY),
  };
}

/**
 * True if the answer can belong to the offset that was asked for. A cache that ignores the query answers the same page
 * to every offset, and its messages would come again and again.
 */
function follows({ messages, from, next }: Batch, status: number): boolean {
  if (from === 'now') return messages.length === 0;
  if (isUnsettled(from)) return true;
  return status === 304 ? next === from : next > from || (next === from && messages.length === 0);
}

/** Returns the advice in milliseconds, within the range of PROTOCOL.md §5. Anything else is no advice of the hub. */
function pollAfterMs(seconds: string | null): number | undefined {
  const isAdvice = seconds !== null && /^\d{1,2}$/.test(seconds) && Number(seconds) >= MIN_POLL_AFTER_SECONDS;
  return isAdvice ? Math.min(Number(seconds), MAX_POLL_AFTER_SECONDS) * 1_000 : undefined;
}

/** Content types are compared without regard to case. https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1 */
function encodingOf({ headers }: Response): Batch['encoding'] {
  const type = (headers.get('content-type') ?? 'application/json').toLowerCase();
  if (/^application\/json\s*(;|$)/.test(type)) return 'json';
  return type.startsWith('text/') ? 'text' : 'base64';
}

/**
 * Returns the whole body.
 * @throws Error for more than MAX_PAGE_BYTES
 */
async function bytesOf({ body }: Response, onBytes: () => void): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ? chunksOf(body) : []) {
    onBytes();
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_PAGE_BYTES) throw new Error(`an answer has more than ${MAX_PAGE_BYTES} bytes`);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Returns the messages of a page. A page of JSON is a list. A page of text or bytes is one message. */
function messagesIn(bytes: Uint8Array, encoding: Batch['encoding']): readonly unknown[] {
  if (encoding !== 'json') {
    if (bytes.length === 0) return [];
    return [encoding === 'text' ? textOf(bytes) : base64Of(bytes)];
  }
  const messages: unknown = JSON.parse(textOf(bytes));
  if (!Array.isArray(messages)) throw new Error('a batch of JSON messages is a list');
  return messages;
}

/** Decodes UTF-8. A byte order mark at the beginning is part of the message. */
const textOf = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

const base64Of = (bytes: Uint8Array): string =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));

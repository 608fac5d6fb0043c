/**
 * One read over HTTP (PROTOCOL.md §5): a page of messages, and where to read on.
 * @module
 */
import { STREAM_CLOSED, STREAM_CURSOR, STREAM_NEXT_OFFSET, STREAM_UP_TO_DATE } from '../protocol/headers.ts';
import { parseOffset } from '../protocol/offset.ts';
import { type Batch, isUnsettled } from './cursor.ts';
import { foreignAnswer, TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import { discard, type Http, type RequestLimits } from './http.ts';
import { deadline } from './timers.ts';
import { chunksOf } from './transports/event-stream.ts';

/**
 * How long a request may take until its answer begins, in milliseconds, beside the 25 s that one may be held. Two that are
 * swallowed hold up all other reads (request-limits.ts), so it must not be long.
 */
const ANSWER_MS = 20_000;
const HOLD_MS = 25_000;

/** How long nothing may arrive of a body that has begun, in milliseconds. */
const IDLE_MS = 30_000;

/** How long a page may take in all, in milliseconds: 1 MB at 1.7 KB/s. A body that drips never ends otherwise. */
const PAGE_MS = 600_000;

/** Bytes of a body. The hub answers about 1 MB at most (PROTOCOL.md §5); what a proxy answers may have no end. */
const MAX_PAGE_BYTES = 4 * 1_048_576;

export interface Page {
  readonly batch: Batch;
  /** True if that was all at this moment. */
  readonly isUpToDate: boolean;
  readonly etag: string | undefined;
  /** For the next long poll (PROTOCOL.md §5.1). */
  readonly cursor: string | undefined;
}

export interface PageRequest {
  readonly channel: string;
  readonly offset: string;
  /** True to be held until there is something. */
  readonly isHeld?: boolean;
  readonly cursor?: string | undefined;
  readonly etag?: string | undefined;
}

export interface Pages {
  /** @throws TidingsError, or as `fetch` does */
  readonly read: (request: PageRequest, signal: AbortSignal) => Promise<Page>;
}

export interface PagesOptions {
  readonly host: Pick<Host, 'after' | 'now'>;
  readonly http: Http;
  readonly limits: RequestLimits;
  /** The hub's, without a slash at its end. */
  readonly url: string;
}

export function pagesOf({ host, http, limits, url }: PagesOptions): Pages {
  async function load(request: PageRequest, signal: AbortSignal): Promise<Page> {
    const { channel, offset, isHeld = false, cursor, etag } = request;
    const hold = isHeld ? '&live=long-poll' : '';
    const circle = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const headers: Record<string, string> = etag === undefined ? {} : { 'If-None-Match': etag };
    const address = `${url}/channels/${channel}?offset=${offset}${hold}${circle}`;
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

async function pageIn(
  response: Response,
  { channel, offset: from }: PageRequest,
  onBytes: () => void,
): Promise<Page> {
  const { headers, status } = response;
  const next = headers.get(STREAM_NEXT_OFFSET) ?? '';
  if (!parseOffset(next)) {
    // A page that some network answers in place of the hub has none.
    discard(response);
    throw foreignAnswer(response);
  }
  const encoding = encodingOf(response);
  const isEmpty = status === 204 || status === 304;
  const messages = isEmpty ? [] : messagesIn(await bytesOf(response, onBytes), encoding);
  const batch = { channel, messages, encoding, from, next, closed: headers.get(STREAM_CLOSED) === 'true' };
  if (!follows(batch, status)) {
    throw new TidingsError(
      'unavailable',
      `an answer to offset ${from} ends at ${next}: a cache may be in between`,
    );
  }
  return {
    batch,
    isUpToDate: headers.has(STREAM_UP_TO_DATE) || headers.has(STREAM_CLOSED),
    etag: headers.get('etag') ?? undefined,
    cursor: headers.get(STREAM_CURSOR) ?? undefined,
  };
}

/**
 * True if the answer can be one to the offset that was asked for. A cache that ignores the query answers the same page to
 * every offset. Its messages would come again and again.
 */
function follows({ messages, from, next }: Batch, status: number): boolean {
  if (from === 'now') return messages.length === 0;
  if (isUnsettled(from)) return true;
  return status === 304 ? next === from : next > from || (next === from && messages.length === 0);
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1 (types are compared without regard to case) */
function encodingOf({ headers }: Response): Batch['encoding'] {
  const type = (headers.get('content-type') ?? 'application/json').toLowerCase();
  if (/^application\/json\s*(;|$)/.test(type)) return 'json';
  return type.startsWith('text/') ? 'text' : 'base64';
}

/** @throws Error for more than MAX_PAGE_BYTES */
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

/** What was read at once of bytes or text is one message; of JSON it is a list. */
function messagesIn(bytes: Uint8Array, encoding: Batch['encoding']): readonly unknown[] {
  if (encoding !== 'json') {
    if (bytes.length === 0) return [];
    return [encoding === 'text' ? textOf(bytes) : base64Of(bytes)];
  }
  const messages: unknown = JSON.parse(textOf(bytes));
  if (!Array.isArray(messages)) throw new Error('a batch of JSON messages is a list');
  return messages;
}

/** A byte order mark at the beginning is part of the message. */
const textOf = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

const base64Of = (bytes: Uint8Array): string =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));

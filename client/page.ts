/**
 * One read over HTTP (PROTOCOL.md §5): a page of messages, and where to read on.
 * @module
 */
import { STREAM_CLOSED, STREAM_CURSOR, STREAM_NEXT_OFFSET, STREAM_UP_TO_DATE } from '../protocol/headers.ts';
import { parseOffset } from '../protocol/offset.ts';
import type { Batch } from './batch.ts';
import { TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import type { Http } from './http.ts';
import { deadline } from './timers.ts';

/** How long a request may take, its body and a hold of 25 s included, in milliseconds. */
const REQUEST_MS = 45_000;

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
  /** @throws TidingsError, and whatever a request that fails throws */
  readonly read: (request: PageRequest, signal: AbortSignal) => Promise<Page>;
  /** What kind of text a channel carries: on a stream JSON and other text look alike. Throws as `read`. */
  readonly textOf: (channel: string, signal: AbortSignal) => Promise<'json' | 'text'>;
}

/** @param url the hub's, without a slash at its end */
export function pagesOf(host: Pick<Host, 'after'>, http: Http, url: string): Pages {
  async function bounded<T>(signal: AbortSignal, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const limit = deadline(host, REQUEST_MS, signal);
    try {
      return await run(limit.signal);
    } finally {
      limit.end();
    }
  }
  return {
    read: (request, signal) =>
      bounded(signal, async (limited) => {
        const { channel, offset, isHeld = false, cursor, etag } = request;
        const hold = isHeld ? `&live=long-poll${cursor === undefined ? '' : `&cursor=${cursor}`}` : '';
        const headers: Record<string, string> = etag === undefined ? {} : { 'If-None-Match': etag };
        const address = `${url}/channels/${channel}?offset=${offset}${hold}`;
        return await pageIn(await http({ url: address, headers }, limited), channel, offset);
      }),
    textOf: (channel, signal) =>
      bounded(signal, async (limited) => {
        const response = await http({ url: `${url}/channels/${channel}`, method: 'HEAD' }, limited);
        return encodingOf(response) === 'json' ? 'json' : 'text';
      }),
  };
}

async function pageIn(response: Response, channel: string, from: string): Promise<Page> {
  const { headers, status } = response;
  const next = headers.get(STREAM_NEXT_OFFSET) ?? '';
  // A page that some network answers in place of the hub has none.
  if (!parseOffset(next)) throw new TidingsError('route_not_found', 'the answer is not one of a hub');
  const encoding = encodingOf(response);
  const isEmpty = status === 204 || status === 304;
  const messages = isEmpty ? [] : await messagesIn(response, encoding);
  return {
    batch: { channel, messages, encoding, from, next, closed: headers.get(STREAM_CLOSED) === 'true' },
    isUpToDate: headers.has(STREAM_UP_TO_DATE) || status === 304 || headers.has(STREAM_CLOSED),
    etag: headers.get('etag') ?? undefined,
    cursor: headers.get(STREAM_CURSOR) ?? undefined,
  };
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1 (types are compared whatever their case) */
function encodingOf({ headers }: Response): Batch['encoding'] {
  const type = (headers.get('content-type') ?? 'application/json').toLowerCase();
  if (/^application\/json\s*(;|$)/.test(type)) return 'json';
  return type.startsWith('text/') ? 'text' : 'base64';
}

async function messagesIn(response: Response, encoding: Batch['encoding']): Promise<readonly unknown[]> {
  if (encoding === 'base64') {
    const bytes = new Uint8Array(await response.arrayBuffer());
    return bytes.length === 0 ? [] : [btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))];
  }
  // Not `response.text()`, which drops a byte order mark: in text it is part of the message.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: encoding === 'text' });
  return messagesOf(decoder.decode(await response.arrayBuffer()), encoding);
}

/** The messages of a batch that came as text: one string for all, unless they are JSON. */
export function messagesOf(text: string, encoding: Batch['encoding']): readonly unknown[] {
  if (encoding !== 'json') return text === '' ? [] : [text];
  const messages: unknown = JSON.parse(text);
  if (!Array.isArray(messages)) throw new Error('a batch of JSON messages is a list');
  return messages;
}

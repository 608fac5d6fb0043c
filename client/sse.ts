/**
 * Server-Sent Events (PROTOCOL.md §5.2), in the framing that carries batches. Read with fetch, not with EventSource,
 * which cannot send a token.
 * @module
 */
import { STREAM_SSE_DATA_ENCODING } from '../protocol/headers.ts';
import { HEARTBEAT_MS } from '../protocol/limits.ts';
import { parseOffset } from '../protocol/offset.ts';
import type { Batch } from './batch.ts';
import type { Cursor } from './cursor.ts';
import { isRecord, TidingsError } from './errors.ts';
import { chunksOf, eventsIn, type StreamEvent } from './event-stream.ts';
import type { Host } from './host.ts';
import type { Http } from './http.ts';
import { messagesOf, type Pages } from './page.ts';
import { deadline } from './timers.ts';
import { again, type Rung } from './transport.ts';

/** A stream says at once where it begins; on the way from a hub that does so, something holds it back. In milliseconds. */
const FIRST_EVENT_MS = 5_000;

/** The longest silence of a stream that lives, in milliseconds. */
const SILENCE_MS = 2 * HEARTBEAT_MS;

export interface StreamSource {
  readonly host: Host;
  readonly http: Http;
  readonly pages: Pages;
  readonly cursor: Cursor;
  /** Where streams are, without a slash at its end. */
  readonly streamUrl: string;
}

export function eventStreamRung(source: StreamSource): Rung {
  const kind = textKind(source);
  return {
    name: 'sse',
    run: (flow) => again(source.host, flow, (up) => readStream(source, kind, flow.signal, up)),
  };
}

type TextKind = (signal: AbortSignal) => Promise<'json' | 'text'>;

/** Asked when the first text comes, since a channel may not be there before; it has one content type for life. */
function textKind({ pages, cursor }: StreamSource): TextKind {
  let known: 'json' | 'text' | undefined;
  return async (signal) => {
    known ??= await pages.textOf(cursor.channel, signal);
    return known;
  };
}

/** Reads one stream to its end. */
async function readStream(
  { host, http, cursor, streamUrl }: StreamSource,
  kind: TextKind,
  signal: AbortSignal,
  up: () => void,
): Promise<void> {
  const limit = deadline(host, FIRST_EVENT_MS, signal);
  try {
    const start = cursor.offset;
    const url = `${streamUrl}/channels/${cursor.channel}?offset=${start}&live=sse`;
    const response = await http({ url }, limit.signal);
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
    if (!response.body || !isStream) throw new TidingsError('route_not_found', 'the answer is no stream');
    const isBase64 = response.headers.get(STREAM_SSE_DATA_ENCODING) === 'base64';
    const encoding = async () => (isBase64 ? 'base64' : await kind(limit.signal));
    const events = eventsIn(chunksOf(response.body), () => limit.extend(SILENCE_MS));
    for await (const batch of batchesIn(events, cursor.channel, start, encoding)) {
      up();
      // Whoever moved the cursor meanwhile, the stream begins anew where it is now.
      if (cursor.offer(batch) === 'gap' || signal.aborted) return;
    }
  } finally {
    limit.end();
  }
}

/** A data event is good with the control event after it, which says where it ends. */
async function* batchesIn(
  events: AsyncIterable<StreamEvent>,
  channel: string,
  start: string,
  encodingOfText: () => Promise<Batch['encoding']>,
): AsyncGenerator<Batch, void> {
  let from = start;
  let data = '';
  for await (const { name, data: text } of events) {
    if (name === 'data') data = text;
    if (name !== 'control') continue;
    const { next, closed } = controlIn(text);
    const encoding = data === '' ? 'json' : await encodingOfText();
    yield { channel, messages: data === '' ? [] : messagesOf(data, encoding), encoding, from, next, closed };
    from = next;
    data = '';
  }
}

function controlIn(text: string): { readonly next: string; readonly closed: boolean } {
  const control: unknown = JSON.parse(text);
  const next = isRecord(control) ? control.streamNextOffset : undefined;
  if (typeof next !== 'string' || !parseOffset(next)) throw new Error('a control event without an offset');
  return { next, closed: isRecord(control) && control.streamClosed === true };
}

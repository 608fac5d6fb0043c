/**
 * One stream of several channels (PROTOCOL.md §5.2, `GET /events`), from its request to its end.
 * @module
 */
import type { Batch } from './batch.ts';
import { foreignAnswer } from './errors.ts';
import { chunksOf, eventsIn } from './event-stream.ts';
import { followedEvents } from './followed-events.ts';
import type { Host } from './host.ts';
import { discard, type Http } from './http.ts';
import { deadline } from './timers.ts';

/** A stream says at once where it begins. On the way from a hub that does so, something holds it back. In milliseconds. */
const FIRST_EVENT_MS = 5_000;

/** The longest silence of a stream that lives, in milliseconds: two signs of life of the hub. */
const SILENCE_MS = 30_000;

export interface StreamsOptions {
  readonly host: Pick<Host, 'after' | 'now' | 'random'>;
  readonly http: Http;
  /** Where streams are, without a slash at its end. */
  readonly streamUrl: string;
}

export interface EventsListener {
  /** The stream has said where it begins. */
  readonly onOpen: () => void;
  /** Returns false if the stream must begin elsewhere. */
  readonly onBatch: (batch: Batch) => boolean;
  /** The channel is gone or closed. The stream goes on with the others. */
  readonly onEnded: (channel: string) => void;
}

/**
 * Reads a stream to its end. Returns `complete` if there never was one, since all channels are closed and were read.
 * @param offsets of each channel, in the order of the request
 * @throws TidingsError as `http`, and for what is no stream of the hub; and an Error for what no hub says
 */
export async function readEvents(
  { host, http, streamUrl }: StreamsOptions,
  offsets: ReadonlyMap<string, string>,
  signal: AbortSignal,
  { onOpen, onBatch, onEnded }: EventsListener,
): Promise<'ended' | 'complete'> {
  const limit = deadline(host, FIRST_EVENT_MS, signal);
  try {
    const query = [...offsets.keys()].map((name) => `channel=${name}`).join('&');
    const url = `${streamUrl}/events?${query}&offset=${[...offsets.values()].join('.')}`;
    const response = await http({ url }, limit.signal);
    if (response.status === 204) return 'complete';
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
    if (!response.body || !isStream) {
      discard(response);
      throw foreignAnswer(response);
    }
    const take = followedEvents([...offsets]);
    let isOpen = false;
    for await (const event of eventsIn(chunksOf(response.body), () => limit.extend(SILENCE_MS))) {
      const { batches, ended } = take(event);
      if (!isOpen) onOpen();
      isOpen = true;
      if (ended !== undefined) onEnded(ended);
      if (!batches.every(onBatch) || signal.aborted) break;
    }
    return 'ended';
  } finally {
    limit.end();
  }
}

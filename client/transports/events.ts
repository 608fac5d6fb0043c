/**
 * What a stream of several channels says (PROTOCOL.md §5.2, `GET /events`): its events as batches.
 * @module
 */
/**
 * One stream of several channels (PROTOCOL.md §5.2, `GET /events`), from its request to its end.
 * @module
 */
import { parseOffset } from '../../protocol/offset.ts';
import type { Batch } from '../cursor.ts';
import { foreignAnswer, isRecord } from '../errors.ts';
import type { Host } from '../host.ts';
import { discard, type Http } from '../http.ts';
import { deadline } from '../timers.ts';
import { chunksOf, eventsIn, type StreamEvent } from './event-stream.ts';

export interface ReadEvents {
  readonly batches: readonly Batch[];
  /** The channel that the stream has said to be gone or closed. What it says of it after that is of another life. */
  readonly ended: string | undefined;
}

/** Events that say that a channel is gone, or complete. */
const ENDS: readonly string[] = ['gone', 'closed'];

/**
 * Returns what takes each event of a stream, which throws an Error for what no hub says.
 * @param channels with the offsets at which the stream begins, in the order of the request
 */
export function followedEvents(
  channels: readonly (readonly [string, string])[],
): (event: StreamEvent) => ReadEvents {
  const offsets = new Map(channels);
  const names = channels.map(([name]) => name);

  /** What lies between the offset that was known and the next one; nothing of a channel that has ended. */
  function batchTo(next: string, name: string, content: Content | undefined): Batch[] {
    const from = offsets.get(name);
    if (from === undefined || (next === from && !content)) return [];
    if (next <= from) throw new Error(`the stream goes back in ${name}, from ${from} to ${next}`);
    offsets.set(name, next);
    const { encoding = 'json', message } = content ?? {};
    return [{ channel: name, messages: content ? [message] : [], encoding, from, next, closed: false }];
  }

  return ({ name, data, id }) => {
    const isEnd = ENDS.includes(name);
    // A newer hub may say other things.
    if (name !== 'message' && !isEnd) return { batches: [], ended: undefined };
    const nexts = id?.split('.') ?? [];
    if (nexts.length !== names.length || !nexts.every((next) => parseOffset(next)))
      throw new Error('an event without the offsets of the channels');
    const said: unknown = data === '' ? undefined : JSON.parse(data);
    const about = isRecord(said) ? names.find((each) => each === said.channel) : undefined;
    if (data !== '' && about === undefined) throw new Error('an event of no channel that was asked for');
    if (isEnd && about !== undefined) offsets.delete(about);
    const content = isEnd || !isRecord(said) ? undefined : contentOf(said);
    const batches = names.flatMap((each, at) =>
      batchTo(nexts[at] ?? '', each, each === about ? content : undefined),
    );
    return { batches, ended: isEnd ? about : undefined };
  };
}

interface Content {
  readonly message: unknown;
  readonly encoding: Batch['encoding'];
}

function contentOf(said: Readonly<Record<string, unknown>>): Content {
  if ('message' in said) return { message: said.message, encoding: 'json' };
  if (typeof said.text === 'string') return { message: said.text, encoding: 'text' };
  if (typeof said.base64 === 'string') return { message: said.base64, encoding: 'base64' };
  throw new Error('an event without a message');
}

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

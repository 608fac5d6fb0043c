/**
 * One stream of several channels (PROTOCOL.md §5.2, `GET /events`), from its request to its end, and its events as
 * batches.
 * @module
 */
import { parseOffset } from '../../protocol/offset.ts';
import type { Batch } from '../cursor.ts';
import { foreignAnswer, isRecord } from '../errors.ts';
import type { Host } from '../host.ts';
import { chunksOf, discard, type Http } from '../http.ts';
import { type ReaderId, readerQuery } from '../page.ts';
import { deadline } from '../timers.ts';
import { eventsIn, type StreamEvent } from './event-stream.ts';
import type { Ephemeral } from './frames.ts';

/** One event of the stream. */
export interface ParsedEvent {
  /** At most one batch for each channel. */
  readonly batches: readonly Batch[];
  /**
   * The channel that the stream reports as gone or closed. Later events of the same name belong to another channel of
   * that name, so they are ignored.
   */
  readonly ended: string | undefined;
  /** An ephemeral message, which has no offset. */
  readonly ephemeral?: Ephemeral;
}

/** Events that end a channel on the stream. */
const ENDS: readonly string[] = ['gone', 'closed'];

/**
 * Returns a function that turns each event of a stream into batches. It throws an Error for an event that no hub sends.
 * @param channels names with the offsets at which the stream begins, in the order of the request
 */
export function followedEvents(
  channels: readonly (readonly [string, string])[],
): (event: StreamEvent) => ParsedEvent {
  const offsets = new Map(channels);
  const names = channels.map(([name]) => name);

  /**
   * Returns the batch from the known offset of a channel to the next one. Empty if nothing is new, or if the channel
   * has ended.
   */
  function batchTo(next: string, name: string, content: Content | undefined): Batch[] {
    const from = offsets.get(name);
    if (from === undefined || (next === from && !content)) return [];
    if (next <= from) throw new Error(`the stream goes back in ${name}, from ${from} to ${next}`);
    offsets.set(name, next);
    const { encoding = 'json', message } = content ?? {};
    return [{ channel: name, messages: content ? [message] : [], encoding, from, next, closed: false }];
  }

  return ({ name, data, id }) => {
    if (name === 'ephemeral') return { batches: [], ended: undefined, ...ephemeralIn(data) };
    const isEnd = ENDS.includes(name);
    // A newer hub may send other events. They are ignored.
    if (name !== 'message' && !isEnd) return { batches: [], ended: undefined };
    const nexts = id?.split('.') ?? [];
    if (nexts.length !== names.length || !nexts.every((next) => parseOffset(next)))
      throw new Error('an event without the offsets of the channels');
    const body: unknown = data === '' ? undefined : JSON.parse(data);
    const about = isRecord(body) ? names.find((each) => each === body.channel) : undefined;
    if (data !== '' && about === undefined) throw new Error('an event of no channel that was asked for');
    if (isEnd && about !== undefined) offsets.delete(about);
    const content = isEnd || !isRecord(body) ? undefined : contentOf(body);
    const batches = names.flatMap((each, at) =>
      batchTo(nexts[at] ?? '', each, each === about ? content : undefined),
    );
    return { batches, ended: isEnd ? about : undefined };
  };
}

function ephemeralIn(data: string): Pick<ParsedEvent, 'ephemeral'> {
  const body: unknown = JSON.parse(data);
  if (!isRecord(body) || typeof body.channel !== 'string' || !('message' in body)) return {};
  return { ephemeral: { channel: body.channel, messages: [body.message] } };
}

interface Content {
  readonly message: unknown;
  readonly encoding: Batch['encoding'];
}

function contentOf(fields: Readonly<Record<string, unknown>>): Content {
  if ('message' in fields) return { message: fields.message, encoding: 'json' };
  if (typeof fields.text === 'string') return { message: fields.text, encoding: 'text' };
  if (typeof fields.base64 === 'string') return { message: fields.base64, encoding: 'base64' };
  throw new Error('an event without a message');
}

/**
 * The longest wait for the first event, in milliseconds. The hub sends one at once. If none comes, a proxy holds the
 * stream back.
 */
const FIRST_EVENT_MS = 5_000;

/** The longest silence of a working stream, in milliseconds: two heartbeats of the hub. */
const SILENCE_MS = 30_000;

/** The parts that reading streams needs. */
export interface StreamsOptions {
  /** The timers and random numbers. */
  readonly host: Pick<Host, 'after' | 'now' | 'random'>;
  /** Sends the request. */
  readonly http: Http;
  /** The URL of the streams, without a slash at its end. */
  readonly streamUrl: string;
  /** The id of this client as a member of channels. */
  readonly reader: ReaderId;
}

/** The callbacks of one stream. */
export interface EventsListener {
  /** The first event came: the stream works. */
  readonly onOpen: () => void;
  /** Receives a batch. Returns false if it does not follow, so that the stream must begin at other offsets. */
  readonly onBatch: (batch: Batch) => boolean;
  /** Receives an ephemeral message of one of the channels. */
  readonly onEphemeral: (ephemeral: Ephemeral) => void;
  /** The channel is gone or closed. The stream continues with the others. */
  readonly onEnded: (channel: string) => void;
}

/**
 * Reads a stream to its end. Returns `complete` if there was no stream, because all channels are closed and read.
 * @param offsets the offset of each channel, in the order of the request
 * @throws TidingsError as `http` does, and for an answer that is not a stream of the hub; an Error for an event that no
 * hub sends
 */
export async function readEvents(
  { host, http, streamUrl, reader }: StreamsOptions,
  offsets: ReadonlyMap<string, string>,
  signal: AbortSignal,
  { onOpen, onBatch, onEphemeral, onEnded }: EventsListener,
): Promise<'ended' | 'complete'> {
  const limit = deadline(host, FIRST_EVENT_MS, signal);
  try {
    const query = [...offsets.keys()].map((name) => `channel=${name}`).join('&');
    const url = `${streamUrl}/events?${query}&offset=${[...offsets.values()].join('.')}${readerQuery(reader)}`;
    const response = await http({ url }, limit.signal);
    if (response.status === 204) return 'complete';
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
    if (!response.body || !isStream) {
      discard(response);
      throw foreignAnswer(response);
    }
    const parse = followedEvents([...offsets]);
    let isOpen = false;
    for await (const event of eventsIn(chunksOf(response.body), () => limit.extend(SILENCE_MS))) {
      const { batches, ended, ephemeral } = parse(event);
      if (!isOpen) onOpen();
      isOpen = true;
      if (ended !== undefined) onEnded(ended);
      if (ephemeral) onEphemeral(ephemeral);
      if (!batches.every(onBatch) || signal.aborted) break;
    }
    return 'ended';
  } finally {
    limit.end();
  }
}

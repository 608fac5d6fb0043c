/**
 * The event streams of a client (PROTOCOL.md §5.2, `GET /events`). Its subscriptions share them, because browsers open
 * six connections to a host over HTTP/1.1, and because each stream is a Lambda call that waits. They are read with
 * fetch: EventSource cannot send a token.
 * @module
 */
import { MAX_FOLLOWED_CHANNELS } from '../../protocol/limits.ts';
import type { Cursor } from '../cursor.ts';
import { asTidingsError, isLasting, type TidingsError } from '../errors.ts';
import { backoff, jittered, onAbort, RECHECK_MS } from '../timers.ts';
import { readEvents, type StreamsOptions } from './events.ts';
import { type Flow, type Repeating, retrying, type TransportReader } from './failover.ts';
import type { Ephemeral } from './frames.ts';
import { type Openings, openingsOf } from './openings.ts';
import { type PollSource, pollOnce, readToEnd } from './polling.ts';

/** Streams at the same time. Subscriptions that do not fit are polled. */
const MAX_STREAMS = 2;

/** Characters of the channel names of one stream. CloudFront accepts a URL of 8,192 bytes. */
const MAX_NAMES_LENGTH = 4_000;

/** One subscription on a stream. Its cursor must have an offset, not `-1` or `now`. */
export interface StreamSubscriber {
  /** The cursor of the channel. */
  readonly cursor: Cursor;
  /** Reports whether the stream works. */
  readonly flow: Flow;
  /** Receives ephemeral messages. */
  readonly onEphemeral: (ephemeral: Ephemeral) => void;
  /** Reads the channel over HTTP. Rejects with the refusal of the channel. */
  readonly check: () => Promise<void>;
}

/** The streams of a client. */
export interface Streams {
  /**
   * Keeps a subscription on a stream until its signal is aborted. Returns undefined if there is no room. Rejects with
   * the error that ends this subscription. The others continue.
   */
  readonly attach: (subscriber: StreamSubscriber) => Promise<void> | undefined;
}

/** The parts that the streams need. */
export type StreamOptions = StreamsOptions & Repeating;

/** Returns the streams of a client. They are opened when subscriptions need them. */
export function streamsOf(options: StreamOptions): Streams {
  const streams = Array.from({ length: MAX_STREAMS }, () => sharedStream(options));
  return {
    attach(subscriber) {
      for (const stream of streams) {
        const ended = stream.attach(subscriber);
        if (ended) return ended;
      }
      return undefined;
    },
  };
}

interface Attached extends StreamSubscriber {
  readonly leave: (error?: TidingsError) => void;
}

/** One stream, and its subscriptions. */
interface SharedStream {
  readonly options: StreamOptions;
  readonly attached: Set<Attached>;
  readonly openings: Openings;
  /** The reason for which there is no stream at the moment. */
  trouble: TidingsError | undefined;
}

function sharedStream(options: StreamOptions): Streams {
  const attached = new Set<Attached>();
  const openings = openingsOf(options.host, () => attached.size);
  const stream: SharedStream = { options, attached, openings, trouble: undefined };
  /** Aborted when no subscription is left. */
  let session: AbortController | undefined;

  /** Opens a stream for the first subscription, or opens it again with one more. */
  function follow({ flow }: Attached): void {
    if (session && !session.signal.aborted) {
      if (stream.trouble) flow.down(stream.trouble);
      else void openings.again(session.signal);
      return;
    }
    session = new AbortController();
    stream.trouble = undefined;
    void keepOpen(stream, session.signal, flow.hasNext);
  }

  return {
    attach(subscriber) {
      const { cursor, flow } = subscriber;
      if (!hasRoom(attached, cursor.channel)) return undefined;
      return new Promise((resolve, reject) => {
        if (flow.signal.aborted) return resolve();
        const leave = (error?: TidingsError): void => {
          forget();
          if (attached.delete(each) && attached.size === 0) session?.abort();
          if (error) reject(error);
          else resolve();
        };
        const forget = onAbort(flow.signal, () => leave());
        const each = { ...subscriber, leave };
        attached.add(each);
        follow(each);
      });
    },
  };
}

/** Keeps a stream open as long as there are subscriptions. */
async function keepOpen(stream: SharedStream, signal: AbortSignal, hasNext: boolean): Promise<void> {
  const { attached, openings } = stream;
  const { host, budget } = stream.options;
  const flow: Flow = {
    signal,
    hasNext,
    up() {},
    lost(error) {
      for (const { flow } of [...attached]) flow.lost?.(error);
    },
    down(error) {
      stream.trouble = error;
      for (const { flow } of [...attached]) flow.down(error);
      // A proxy that holds streams back lets pages through, so each subscription reads pages.
      if (!hasNext) void endRefused([...attached], false);
    },
  };
  for (let failures = 0; !signal.aborted; ) {
    try {
      const read = (up: () => void) =>
        openings.each(signal, (request) => readStream(stream, request, signal, up));
      await retrying(stream.options, flow, read);
    } catch (error) {
      const refusal = asTidingsError(error);
      // The refusal is about one of the channels, or about the caller. Each subscription finds out by its own read.
      if (await endRefused([...attached], hasNext)) failures = 0;
      else if (!hasNext && failures > 0) for (const each of [...attached]) each.leave(refusal);
      else {
        flow.down(refusal);
        const random = host.random();
        const wait = hasNext ? jittered(RECHECK_MS, random) : backoff(failures++, random);
        await budget.wait(wait, signal);
      }
    }
  }
}

/** Reads one stream to its end. */
async function readStream(
  stream: SharedStream,
  request: AbortSignal,
  signal: AbortSignal,
  up: () => void,
): Promise<void> {
  const { options, attached } = stream;
  const members = [...attached];
  const of = (channel: string): Attached[] => members.filter(({ cursor }) => cursor.channel === channel);
  const end = await readEvents(options, earliestOffsets(members), request, {
    onOpen() {
      stream.trouble = undefined;
      up();
      for (const each of members) if (attached.has(each)) each.flow.up();
    },
    onBatch: (batch) => of(batch.channel).every(({ cursor }) => cursor.offer(batch) !== 'gap'),
    onEphemeral(ephemeral) {
      for (const each of of(ephemeral.channel)) if (attached.has(each)) each.onEphemeral(ephemeral);
    },
    onEnded: (channel) => void checkAll(stream, of(channel), signal),
  });
  // All channels are closed and read to their ends. Each subscription learns it from its own page.
  if (end === 'complete') await checkAll(stream, members, signal);
}

/**
 * Reads each channel over HTTP. Subscriptions whose channel is refused or closed end. The others get another stream.
 */
async function checkAll(
  { attached, openings }: SharedStream,
  some: readonly Attached[],
  signal: AbortSignal,
): Promise<void> {
  await endRefused(some, true);
  if (some.some((each) => attached.has(each))) void openings.again(signal);
}

/** Reads each channel over HTTP, and ends the refused subscriptions. Returns true if there was one. */
async function endRefused(some: readonly Attached[], hasNext: boolean): Promise<boolean> {
  const check = async (each: Attached): Promise<boolean> => {
    const error = await each.check().then(() => undefined, asTidingsError);
    const isOver = error !== undefined && isLasting(error, hasNext);
    if (isOver) each.leave(error);
    return isOver;
  };
  return (await Promise.all(some.map(check))).includes(true);
}

/** Returns true if a stream of these subscriptions can also follow the channel. */
function hasRoom(attached: ReadonlySet<Attached>, channel: string): boolean {
  const names = new Set([...attached].map(({ cursor }) => cursor.channel)).add(channel);
  return names.size <= MAX_FOLLOWED_CHANNELS && [...names].join('').length <= MAX_NAMES_LENGTH;
}

/** Returns each channel once, with the earliest offset of its subscriptions. Offsets compare as text. */
function earliestOffsets(attached: readonly Attached[]): ReadonlyMap<string, string> {
  const offsets = new Map<string, string>();
  for (const { cursor } of attached) {
    const known = offsets.get(cursor.channel);
    if (known === undefined || cursor.offset < known) offsets.set(cursor.channel, cursor.offset);
  }
  return offsets;
}

/** The parts that the SSE transport needs. */
export interface StreamSource extends PollSource {
  /** The streams of the client. */
  readonly streams: Streams;
  /** Receives ephemeral messages. */
  readonly onEphemeral: (ephemeral: Ephemeral) => void;
}

/**
 * Returns the SSE transport. It reads the history by pages, then follows a shared stream. So a refusal of this channel
 * is known before the stream is opened: a refused channel would fail the stream for all.
 */
export const eventStreamReader = (source: StreamSource): TransportReader => ({
  name: 'sse',
  run: (flow) =>
    retrying(source, flow, async (up, answered) => {
      const { cursor, streams, onEphemeral } = source;
      const check = async (): Promise<void> => void (await readToEnd(source, flow.signal, () => {}));
      let page = await readToEnd(source, flow.signal, answered);
      while (!flow.signal.aborted) {
        const ended = streams.attach({ cursor, flow, onEphemeral, check });
        if (ended) await ended;
        else page = await pollOnce(source, flow.signal, up, page);
      }
    }),
});

/**
 * The streams of a client, which its subscriptions share (PROTOCOL.md §5.2, `GET /events`). Browsers open six connections
 * to a host over HTTP/1.1, and each stream is a function that waits.
 * @module
 */
import { MAX_FOLLOWED_CHANNELS } from '../protocol/limits.ts';
import { backoff, CLIMB_MS, jittered } from './backoff.ts';
import type { Cursor } from './cursor.ts';
import { asTidingsError, isLasting, type TidingsError } from './errors.ts';
import { readEvents, type StreamsOptions } from './events.ts';
import { onAbort, sleep } from './timers.ts';
import { again, type Flow } from './transport.ts';

/** Streams at once. What is subscribed beyond their channels is polled. */
export const MAX_STREAMS = 2;

/** Characters of the channel names of one stream. CloudFront takes a URL of 8,192 bytes. */
const MAX_NAMES_LENGTH = 4_000;

/** A stream is opened when nobody has come for so long, in milliseconds, or after so long in all. */
const GATHER_MS = 250;
const MOST_GATHER_MS = 2_000;

/**
 * The shortest time between two openings of one stream, in milliseconds. On Lambda a stream that was left counts among
 * those of its caller for a minute (§8), so a page that subscribes and leaves all the time must not open one each time.
 */
const REOPEN_MS = 3_000;

/** One subscription on a stream. Its cursor must be at an offset. */
export interface Passenger {
  readonly cursor: Cursor;
  readonly flow: Flow;
  /** Reads the channel by itself. Rejects with what is refused of it. */
  readonly check: () => Promise<void>;
}

export interface Streams {
  /**
   * Carries a subscription until its signal is aborted. Returns undefined if there is no room. Rejects with what ends
   * this subscription, whatever becomes of the others.
   */
  readonly carry: (passenger: Passenger) => Promise<void> | undefined;
}

export function streamsOf(options: StreamsOptions): Streams {
  const streams = Array.from({ length: MAX_STREAMS }, () => sharedStream(options));
  return {
    carry(passenger) {
      for (const stream of streams) {
        const carried = stream.carry(passenger);
        if (carried) return carried;
      }
      return undefined;
    },
  };
}

interface Seated extends Passenger {
  readonly leave: (error?: TidingsError) => void;
}

function sharedStream(options: StreamsOptions): Streams {
  const { host } = options;
  const seated = new Set<Seated>();
  /** Aborted when nobody is left. */
  let session: AbortController | undefined;
  /** Leaves the stream that is open for another one. */
  let reopen: () => void = () => {};
  /** Set while others are waited for, to leave the stream with them. */
  let waiting: object | undefined;
  /** Why there is no stream for the time being. */
  let trouble: TidingsError | undefined;
  let openedAt = Number.NEGATIVE_INFINITY;

  /** Waits until a stream may be opened, for all who come meanwhile. */
  async function gather(signal: AbortSignal): Promise<void> {
    await sleep(host, Math.max(0, openedAt + REOPEN_MS - host.now()), signal);
    const until = host.now() + MOST_GATHER_MS;
    for (let before = -1; seated.size > before && host.now() < until && !signal.aborted; ) {
      before = seated.size;
      await sleep(host, GATHER_MS, signal);
    }
  }

  /** Opens the stream again, for the channels that are wanted then. */
  async function reopenLater(signal: AbortSignal): Promise<void> {
    if (waiting) return;
    const mine = {};
    waiting = mine;
    await gather(signal);
    if (waiting === mine) reopen();
  }

  async function run(signal: AbortSignal, hasBelow: boolean): Promise<void> {
    const flow: Flow = {
      signal,
      hasBelow,
      up() {},
      lost(error) {
        for (const { flow } of [...seated]) flow.lost?.(error);
      },
      down(error) {
        trouble = error;
        for (const { flow } of [...seated]) flow.down(error);
      },
    };
    for (let failures = 0; !signal.aborted; ) {
      try {
        await again(host, flow, (up) => readStreams(signal, up));
      } catch (error) {
        const refusal = asTidingsError(error);
        // It is about one of the channels, or about the caller: each asks for itself.
        if (await hasRefused([...seated], hasBelow)) failures = 0;
        else if (!hasBelow && failures > 0) for (const each of [...seated]) each.leave(refusal);
        else {
          flow.down(refusal);
          const random = host.random();
          await sleep(host, hasBelow ? jittered(CLIMB_MS, random) : backoff(failures++, random), signal);
        }
      }
    }
  }

  /** Reads one stream, and the next one at once when it was left for another choice of channels. */
  async function readStreams(signal: AbortSignal, up: () => void): Promise<void> {
    await gather(signal);
    for (let isLeft = true; isLeft && !signal.aborted; ) {
      isLeft = false;
      waiting = undefined;
      openedAt = host.now();
      const request = new AbortController();
      const end = (): void => request.abort();
      reopen = () => {
        isLeft = true;
        end();
      };
      const forget = onAbort(signal, end);
      try {
        await readStream(request.signal, signal, up);
      } catch (error) {
        if (!isLeft) throw error;
      } finally {
        forget();
      }
    }
  }

  /** Reads one stream to its end. */
  async function readStream(request: AbortSignal, signal: AbortSignal, up: () => void): Promise<void> {
    const carried = [...seated];
    const of = (channel: string): Seated[] => carried.filter(({ cursor }) => cursor.channel === channel);
    const end = await readEvents(options, hindmostOf(carried), request, {
      onOpen() {
        trouble = undefined;
        up();
        for (const each of carried) if (seated.has(each)) each.flow.up();
      },
      onBatch: (batch) => of(batch.channel).every(({ cursor }) => cursor.offer(batch) !== 'gap'),
      onEnded: (channel) => void checkAll(of(channel), signal),
    });
    // All channels are closed and read to their ends, which each hears from its own page.
    if (end === 'complete') await checkAll(carried, signal);
  }

  /** Has each read its channel by itself: those that are refused, or closed, are over. The others get another stream. */
  async function checkAll(some: readonly Seated[], signal: AbortSignal): Promise<void> {
    await hasRefused(some, true);
    if (some.some((each) => seated.has(each))) void reopenLater(signal);
  }

  async function hasRefused(some: readonly Seated[], hasBelow: boolean): Promise<boolean> {
    const check = async (each: Seated): Promise<boolean> => {
      const error = await each.check().then(() => undefined, asTidingsError);
      const isOver = error !== undefined && isLasting(error, hasBelow);
      if (isOver) each.leave(error);
      return isOver;
    };
    return (await Promise.all(some.map(check))).includes(true);
  }

  function hasRoom(channel: string): boolean {
    const names = new Set([...seated].map(({ cursor }) => cursor.channel)).add(channel);
    return names.size <= MAX_FOLLOWED_CHANNELS && [...names].join('').length <= MAX_NAMES_LENGTH;
  }

  return {
    carry(passenger) {
      const { cursor, flow } = passenger;
      if (!hasRoom(cursor.channel)) return undefined;
      return new Promise((resolve, reject) => {
        if (flow.signal.aborted) return resolve();
        const leave = (error?: TidingsError): void => {
          forget();
          if (seated.delete(each) && seated.size === 0) session?.abort();
          if (error) reject(error);
          else resolve();
        };
        const forget = onAbort(flow.signal, () => leave());
        const each = { ...passenger, leave };
        seated.add(each);
        if (session && !session.signal.aborted) {
          if (trouble) flow.down(trouble);
          else void reopenLater(session.signal);
          return;
        }
        session = new AbortController();
        trouble = undefined;
        waiting = undefined;
        void run(session.signal, flow.hasBelow);
      });
    },
  };
}

/** Each channel once, and from where all who are there for it have it. Offsets compare as text. */
function hindmostOf(seated: readonly Seated[]): ReadonlyMap<string, string> {
  const offsets = new Map<string, string>();
  for (const { cursor } of seated) {
    const known = offsets.get(cursor.channel);
    if (known === undefined || cursor.offset < known) offsets.set(cursor.channel, cursor.offset);
  }
  return offsets;
}

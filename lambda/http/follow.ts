/**
 * The answers of the door that streams: one channel in either framing, or several for browsers (PROTOCOL.md §5.2).
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { STREAM_SSE_DATA_ENCODING } from '../../protocol/headers.ts';
import { HEARTBEAT_MS } from '../../protocol/limits.ts';
import { formatOffset } from '../../protocol/offset.ts';
import type { Caller } from '../access/caller.ts';
import type { Access } from '../access/verify.ts';
import { type FollowOptions, follow, merged } from '../hub/follow.ts';
import { leavesAt } from '../hub/goodbye.ts';
import type { Held, Hold } from '../hub/hold.ts';
import type { From } from '../hub/read.ts';
import { type Seat, type Seats, seatOf } from '../hub/tally.ts';
import type { ChannelRequest } from './app.ts';
import type { Books } from './base.ts';
import { cursorAfter } from './cursor.ts';
import { parseEvents, parseFrom, parseMode } from './parse.ts';
import {
  browserFrames,
  browserPreamble,
  HEARTBEAT,
  isText,
  messagesOf,
  messageText,
  protocolFrames,
} from './sse.ts';

/** Its books are told of what went wrong after the headers were out, too. */
export interface StreamOptions extends Books {
  readonly hold: Hold;
  readonly access: Access;
  readonly seats: Seats;
  readonly lifetimeMs: number;
  /** Ends all streams. */
  readonly stopping: AbortSignal;
  readonly random: () => number;
  /** Told how many messages go out. */
  readonly delivered: (count: number) => void;
}

const EVENT_STREAM = {
  'Content-Type': 'text/event-stream',
  // Its address may hold a ticket, so it must not be stored; `no-cache` is what Durable Streams §5.8 wants.
  'Cache-Control': 'no-cache, no-store, no-transform',
  Vary: 'Authorization, Accept',
};

export function streamAnswers(door: StreamOptions) {
  const { hold, access, seats, lifetimeMs, random, delivered } = door;
  // No stream outlives the token that it was opened by.
  const options = (caller: Caller, signal: AbortSignal): FollowOptions => ({
    lifetimeMs: Math.min(lifetimeMs, leavesAt(caller) - hold.log.clock()),
    heartbeatMs: HEARTBEAT_MS,
    signal: AbortSignal.any([signal, door.stopping]),
  });

  async function* batchesOf(name: string, from: From, following: FollowOptions): AsyncGenerator<Held> {
    for await (const held of follow(hold, name, from, following)) {
      delivered(held.result.messages.length);
      yield held;
    }
  }

  async function channel({ channel: name, caller, raw }: ChannelRequest): Promise<Response> {
    const mode = parseMode(raw);
    const from = parseFrom(raw, mode);
    const gone = new AbortController();
    const batches = batchesOf(name, from, options(caller, gone.signal));
    // The first batch before the headers: what is wrong with the request is a status, not a broken stream.
    const { value: first } = await batches.next();
    if (!first || (mode !== 'sse' && isOver(first))) return new Response(null, { status: 204 });
    const seat = seatOf(seats, caller.principal);
    await seat.take();
    const asText = isText(first.channel.contentType);
    const cursor = new URL(raw.url).searchParams.get('cursor');
    const framesOf = (held: Held): string =>
      mode === 'sse'
        ? protocolFrames(held, cursorAfter(cursor, hold.log.clock(), random))
        : browserFrames(held);
    const frames = async function* (): AsyncGenerator<string> {
      yield (mode === 'sse' ? '' : browserPreamble(formatOffset(first.result.from))) + framesOf(first);
      let last = first;
      for await (const held of batches) {
        // A channel that appeared meanwhile, as other than the text that was announced: the reader comes again.
        if (isText(held.channel.contentType) !== asText) return;
        yield (saysMore(last, held) && framesOf(held)) || HEARTBEAT;
        last = held;
      }
    };
    const headers = { ...EVENT_STREAM, ...(asText ? {} : { [STREAM_SSE_DATA_ENCODING]: 'base64' }) };
    return new Response(bytesOf(frames(), { gone, seat, books: door, raw }), { headers });
  }

  async function events(raw: Request, caller: Caller): Promise<Response> {
    const { names, from } = parseEvents(raw);
    for (const name of names) access.require('subscribe', name, caller);
    const gone = new AbortController();
    const streams = names.map((name, at) =>
      batchesOf(name, from[at] ?? 'beginning', options(caller, gone.signal)),
    );
    const firsts = await firstOf(streams, gone);
    if (firsts.every(isOver)) return new Response(null, { status: 204 });
    const seat = seatOf(seats, caller.principal);
    await seat.take();
    const frames = mergedFrames(names, firsts, merged(streams));
    return new Response(bytesOf(frames, { gone, seat, books: door, raw }), { headers: EVENT_STREAM });
  }

  return { channel, events };
}

/** A closed channel that has been read to its end: 204 tells an EventSource not to come again. */
const isOver = ({ result }: Held): boolean => result.closed && result.messages.length === 0;

/** False for a batch that would only repeat what the reader knows. */
function saysMore({ result: last }: Held, { result }: Held): boolean {
  const moved = formatOffset(result.next) !== formatOffset(last.next);
  return moved || result.closed || result.upToDate !== last.upToDate;
}

/** The first batch of each stream: what is wrong with any of them is the status of all. */
async function firstOf(streams: readonly AsyncGenerator<Held>[], gone: AbortController): Promise<Held[]> {
  try {
    const steps = await Promise.all(streams.map((stream) => stream.next()));
    return steps.flatMap(({ value }) => (value ? [value] : []));
  } catch (error) {
    gone.abort();
    throw error;
  }
}

/** Each event names its channel, and its id holds the offsets of all of them, in the order of the request. */
async function* mergedFrames(
  names: readonly string[],
  firsts: readonly Held[],
  rest: AsyncIterable<{ readonly at: number; readonly held: Held }>,
): AsyncGenerator<string> {
  const offsets = firsts.map(({ result }) => formatOffset(result.from));
  const framesOf = (at: number, held: Held): string => {
    const frames = messagesOf(held.result).map(({ message, next }) => {
      offsets[at] = formatOffset(next);
      return eventOf(names[at] ?? '', held, message, offsets);
    });
    offsets[at] = formatOffset(held.result.next);
    return frames.join('');
  };
  yield browserPreamble(offsets.join('.')) + firsts.map((held, at) => framesOf(at, held)).join('');
  for await (const { at, held } of rest) yield framesOf(at, held) || HEARTBEAT;
}

function eventOf(
  name: string,
  { channel }: Held,
  message: string | Uint8Array,
  offsets: readonly string[],
): string {
  const text = messageText(channel, message);
  const isJson = typeof message === 'string';
  const fields = isJson
    ? `"message":${text.replace(/[\r\n]+/g, ' ')}`
    : `"${isText(channel.contentType) ? 'text' : 'base64'}":${JSON.stringify(text)}`;
  return `id: ${offsets.join('.')}\ndata: {"channel":${JSON.stringify(name)},${fields}}\n\n`;
}

/** What ends with a stream, and who is told if it ends badly. */
interface StreamEnd {
  readonly gone: AbortController;
  readonly seat: Seat;
  readonly books: Books;
  readonly raw: Request;
}

/** The frames as bytes, until the reader goes or an error ends the stream: whoever reads resumes from its offset. */
function bytesOf(
  frames: AsyncGenerator<string>,
  { gone, seat, books, raw }: StreamEnd,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { value, done } = await frames.next();
        if (!done) return controller.enqueue(encoder.encode(value));
      } catch (error) {
        gone.abort();
        const about = { method: raw.method, path: new URL(raw.url).pathname };
        if (error instanceof Refusal) books.logRefusal(error, about);
        else books.logDefect(error, about);
      }
      // Before the end: after it the process may be frozen.
      await seat.leave();
      controller.close();
    },
    async cancel() {
      gone.abort();
      await Promise.all([frames.return(undefined), seat.leave()]);
    },
  });
}

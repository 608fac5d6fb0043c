/**
 * The answers of the door that streams: one channel in either framing, or several for browsers (PROTOCOL.md §5.2).
 * @module
 */
import { type ErrorCode, Refusal } from '../../protocol/errors.ts';
import { STREAM_SSE_DATA_ENCODING } from '../../protocol/headers.ts';
import { HEARTBEAT_MS } from '../../protocol/limits.ts';
import { BEGINNING, formatOffset } from '../../protocol/offset.ts';
import type { Caller } from '../access/caller.ts';
import type { Access } from '../access/verify.ts';
import { type QuotaParts, type QuotaSlot, quotaSlotOf } from '../hub/hold/caller-quota.ts';
import { type Followed, type FollowOptions, follow, followOn, merged } from '../hub/hold/follow-channels.ts';
import type { Held, Hold } from '../hub/hold/held-read.ts';
import type { From } from '../hub/log/read-log.ts';
import { disconnectAt } from '../hub/push/disconnect.ts';
import type { ChannelRequest } from './channel-routes.ts';
import type { HandlerLog } from './http-handler.ts';
import { type Mode, parseEvents, parseFrom, parseMode } from './parse-channel.ts';
import { parameterOf } from './query.ts';
import {
  browserFrames,
  browserPreamble,
  HEARTBEAT,
  isText,
  messagesWithOffsets,
  messageText,
  protocolFrames,
} from './sse-format.ts';
import { cursorAfter } from './stream-cursor.ts';

/** Its books are told of what went wrong after the headers were out, too. */
export interface StreamOptions extends HandlerLog {
  readonly hold: Hold;
  readonly access: Access;
  readonly seats: QuotaParts;
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
  // https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
  'X-Accel-Buffering': 'no',
};

/** When an EventSource comes again that found no room, at the earliest and scattered over as long, in milliseconds. */
const LATER_MS = 5_000;

/** Refusals that pass. To an EventSource any status but 200 is the end for good. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['too_many_requests', 'unavailable']);

export function streamAnswers(options: StreamOptions) {
  const { hold, access, seats, lifetimeMs, random, delivered } = options;
  /** What a stream of the caller is made of: how it goes on, its seat, and what ends it when its reader has gone. */
  const opened = (caller: Caller) => {
    const gone = new AbortController();
    const now = hold.log.clock();
    // No stream outlives the token that it was opened by.
    const lastsMs = Math.min(lifetimeMs, disconnectAt(caller) - now);
    const seat = quotaSlotOf(seats, caller.principal, now + lastsMs);
    // A stream that loses its seat to a newer one of its caller ends as by itself, and its reader comes again.
    const signal = AbortSignal.any([gone.signal, seat.lost, options.stopping]);
    const following: FollowOptions = { lifetimeMs: lastsMs, heartbeatMs: HEARTBEAT_MS, signal };
    return { gone, seat, following };
  };

  /**
   * What an EventSource is answered. In place of a refusal that passes this is a stream that ends at once and says when to
   * come again, since an EventSource that is answered with another status is closed and stays so.
   * https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model
   */
  async function toEventSource(raw: Request, answer: () => Promise<Response>): Promise<Response> {
    try {
      return await answer();
    } catch (error) {
      if (!(error instanceof Refusal) || !PASSING.has(error.code)) throw error;
      options.logRefusal(error, aboutOf(raw));
      const retry = Math.round(LATER_MS * (1 + random()));
      return new Response(`: ${error.code}\nretry: ${retry}\n\n`, { headers: EVENT_STREAM });
    }
  }

  async function channel(request: ChannelRequest): Promise<Response> {
    const mode = parseMode(request.raw);
    const answer = () => oneChannel(request, mode);
    return mode === 'sse' ? await answer() : await toEventSource(request.raw, answer);
  }

  async function oneChannel({ channel: name, caller, raw }: ChannelRequest, mode: Mode): Promise<Response> {
    const from = parseFrom(raw, mode);
    const { gone, seat, following } = opened(caller);
    const batches = follow(hold, name, from, following);
    // The first batch before the headers: what is wrong with the request is a status, not a broken stream.
    const { value: first } = await batches.next();
    if (!first || (mode !== 'sse' && isOver(first))) return new Response(null, { status: 204 });
    await seat.take();
    const asText = isText(first.channel.contentType);
    const cursor = parameterOf(raw, 'cursor');
    const framesOf = (held: Held): string => {
      delivered(held.result.messages.length);
      if (mode !== 'sse') return browserFrames(held);
      return protocolFrames(held, cursorAfter(cursor, hold.log.clock(), random));
    };
    const frames = async function* (): AsyncGenerator<string> {
      yield (mode === 'sse' ? '' : browserPreamble(formatOffset(first.result.from), random)) +
        framesOf(first);
      let last = first;
      for await (const held of batches) {
        // A channel that appeared meanwhile, as other than the text that was announced: the reader comes again.
        if (isText(held.channel.contentType) !== asText) return;
        yield (saysMore(last, held) && framesOf(held)) || HEARTBEAT;
        last = held;
      }
    };
    const headers = { ...EVENT_STREAM, ...(asText ? {} : { [STREAM_SSE_DATA_ENCODING]: 'base64' }) };
    return new Response(bytesOf(frames(), { gone, seat, log: options, raw }), { headers });
  }

  async function events(raw: Request, caller: Caller): Promise<Response> {
    const { names, from } = parseEvents(raw);
    for (const name of names) access.require('subscribe', name, caller);
    const { gone, seat, following } = opened(caller);
    const streams = names.map((name, at) => followOn(hold, name, from[at] ?? 'beginning', following));
    const firsts = await firstOf(streams, gone);
    if (firsts.every(({ held }) => held && isOver(held))) return new Response(null, { status: 204 });
    await seat.take();
    const frames = mergedFrames({ names, from, delivered, random }, firsts, merged(streams));
    return new Response(bytesOf(frames, { gone, seat, log: options, raw }), { headers: EVENT_STREAM });
  }

  return { channel, events: (raw: Request, caller: Caller) => toEventSource(raw, () => events(raw, caller)) };
}

/** A closed channel that has been read to its end: 204 tells an EventSource not to come again. */
const isOver = ({ result }: Held): boolean => result.closed && result.messages.length === 0;

/** False for a batch that would only repeat what the reader knows. */
function saysMore({ result: last }: Held, { result }: Held): boolean {
  const moved = formatOffset(result.next) !== formatOffset(last.next);
  return moved || result.closed || result.upToDate !== last.upToDate;
}

/** The first step of each stream: what is wrong with the request is the status of all. */
async function firstOf(
  streams: readonly AsyncGenerator<Followed>[],
  gone: AbortController,
): Promise<Followed[]> {
  try {
    const steps = await Promise.all(streams.map((stream) => stream.next()));
    return steps.map(({ value }) => value ?? {});
  } catch (error) {
    gone.abort();
    throw error;
  }
}

/** What a stream of several channels was asked for. */
interface Asked extends Pick<StreamOptions, 'delivered' | 'random'> {
  readonly names: readonly string[];
  readonly from: readonly From[];
}

/** Each event names its channel, and its id holds the offsets of all of them, in the order of the request. */
async function* mergedFrames(
  { names, from, delivered, random }: Asked,
  firsts: readonly Followed[],
  rest: AsyncIterable<{ readonly at: number; readonly step: Followed }>,
): AsyncGenerator<string> {
  // A channel that is gone keeps its old offset in the first id: a reader that is cut off there must still be told.
  const offsets = firsts.map(({ held }, at) => offsetOf(held?.result.from ?? from[at]));
  const framesOf = (at: number, { held, gone }: Followed): string => {
    const channel = names[at] ?? '';
    if (gone) {
      // The zero offset is the beginning of every life of a channel, so the next one is read from its first message.
      offsets[at] = offsetOf(BEGINNING);
      const said = JSON.stringify({ channel, ...gone.toJSON() });
      return `event: ${GONE_EVENT}\nid: ${offsets.join('.')}\ndata: ${said}\n\n`;
    }
    if (!held) return '';
    delivered(held.result.messages.length);
    const frames = messagesWithOffsets(held.result).map(({ message, next }) => {
      offsets[at] = offsetOf(next);
      return eventOf(channel, held, message, offsets);
    });
    offsets[at] = offsetOf(held.result.next);
    if (held.result.closed)
      frames.push(
        `event: ${CLOSED_EVENT}\nid: ${offsets.join('.')}\ndata: ${JSON.stringify({ channel })}\n\n`,
      );
    return frames.join('');
  };
  yield browserPreamble(offsets.join('.'), random) + firsts.map((step, at) => framesOf(at, step)).join('');
  for await (const { at, step } of rest) yield framesOf(at, step) || HEARTBEAT;
}

/** Says in a stream of several channels that one of them is gone. */
const GONE_EVENT = 'gone';

/** Says in such a stream that one of them has been read to its end for good: the others go on. */
const CLOSED_EVENT = 'closed';

const offsetOf = (from: From | undefined): string =>
  typeof from === 'object' ? formatOffset(from) : formatOffset(BEGINNING);

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

const aboutOf = ({ method, url }: Request) => ({ method, path: new URL(url).pathname });

/** What ends with a stream, and who is told if it ends badly. */
interface StreamEnd {
  readonly gone: AbortController;
  readonly seat: QuotaSlot;
  readonly log: HandlerLog;
  readonly raw: Request;
}

/** The frames as bytes, until the reader goes or an error ends the stream: whoever reads resumes from its offset. */
function bytesOf(
  frames: AsyncGenerator<string>,
  { gone, seat, log, raw }: StreamEnd,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { value, done } = await frames.next();
        if (!done) return controller.enqueue(encoder.encode(value));
      } catch (error) {
        gone.abort();
        if (error instanceof Refusal) log.logRefusal(error, aboutOf(raw));
        else log.logDefect(error, aboutOf(raw));
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

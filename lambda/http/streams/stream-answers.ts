/**
 * The answers of the handler that streams: one channel in either framing, or several channels for browsers (PROTOCOL.md §5.2).
 * @module
 */
import { type ErrorCode, Refusal } from '../../../protocol/errors.ts';
import { STREAM_SSE_DATA_ENCODING, STREAM_START_OFFSET } from '../../../protocol/headers.ts';
import { HEARTBEAT_MS } from '../../../protocol/limits.ts';
import { BEGINNING, formatOffset } from '../../../protocol/offset.ts';
import type { Caller } from '../../access/caller.ts';
import type { Access } from '../../access/verify.ts';
import { type EphemeralNews, interleaved, type OpenInbox } from '../../hub/ephemeral/inbox.ts';
import { type QuotaParts, type QuotaSlot, quotaSlotOf } from '../../hub/hold/caller-quota.ts';
import {
  type Followed,
  type FollowOptions,
  follow,
  followOn,
  merged,
} from '../../hub/hold/follow-channels.ts';
import type { Held, Hold } from '../../hub/hold/held-read.ts';
import { readingOf } from '../../hub/keyed/read-keyed.ts';
import { type From, isPosition } from '../../hub/log/read-log.ts';
import type { Noting } from '../../hub/presence/presence-ports.ts';
import { disconnectAt } from '../../hub/push/disconnect.ts';
import type { ChannelRequest } from '../channel-routes.ts';
import { type HeldReader, heldReader } from '../held-reader.ts';
import type { HandlerLog } from '../http-handler.ts';
import { type Mode, parseConflate, parseEvents, parseFrom, parseMode } from '../parse-read.ts';
import { parameterOf } from '../query.ts';
import {
  browserFrames,
  browserPreamble,
  ephemeralFrame,
  HEARTBEAT,
  isText,
  messagesWithOffsets,
  messageText,
  protocolFrames,
} from './sse-format.ts';
import { cursorAfter } from './stream-cursor.ts';

/** The log also gets the errors that happen after the headers were sent. */
export interface StreamOptions extends HandlerLog {
  /** Reads the log, and waits for news on it. */
  readonly hold: Hold;
  /** Opens inboxes for ephemeral messages. */
  readonly openInbox: OpenInbox;
  /** Checks the permissions of callers. */
  readonly access: Access;
  /** Bounds the streams of one caller. */
  readonly quota: QuotaParts;
  /** The longest life of a stream, in milliseconds. */
  readonly lifetimeMs: number;
  /** Ends all streams. */
  readonly stopping: AbortSignal;
  /** At least 0 and less than 1. */
  readonly random: () => number;
  /** Notes who is in a channel; undefined on a hub without presence. */
  readonly presence?: Noting | undefined;
  /** Counts messages that are sent. */
  readonly delivered: (count: number) => void;
}

const EVENT_STREAM = {
  'Content-Type': 'text/event-stream',
  // The URL may contain a ticket, so the answer must not be stored. `no-cache` is required by Durable Streams §5.8.
  'Cache-Control': 'no-cache, no-store, no-transform',
  Vary: 'Authorization, Accept',
  // https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
  'X-Accel-Buffering': 'no',
};

/** The least delay until a refused EventSource reconnects, in milliseconds. A random part of up to as much is added. */
const LATER_MS = 5_000;

/** Refusals that pass with time. An EventSource never reconnects after a status other than 200. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['too_many_requests', 'unavailable']);

/** Returns the answers to GET of one channel, and to GET /events. */
export const streamAnswers = (options: StreamOptions) => ({
  async channel(request: ChannelRequest): Promise<Response> {
    const mode = parseMode(request.raw);
    const answer = () => oneChannel(options, request, mode);
    return mode === 'sse' ? await answer() : await toEventSource(options, request.raw, answer);
  },
  events: (raw: Request, caller: Caller): Promise<Response> =>
    toEventSource(options, raw, () => severalChannels(options, raw, caller)),
});

/** Returns the parts of a new stream: its quota slot, how to follow the log, the abort for a reader that has gone, and its end. */
function newStream({ hold, quota, lifetimeMs, stopping }: StreamOptions, caller: Caller) {
  const gone = new AbortController();
  const now = hold.log.clock();
  // No stream outlives the token of its caller.
  const lastsMs = Math.min(lifetimeMs, disconnectAt(caller) - now);
  const slot = quotaSlotOf(quota, caller.principal, now + lastsMs);
  // A stream that loses its slot to a newer stream of its caller ends as at the end of its life, and its reader reconnects.
  const signal = AbortSignal.any([gone.signal, slot.lost, stopping]);
  const following: FollowOptions = { lifetimeMs: lastsMs, heartbeatMs: HEARTBEAT_MS, signal };
  return { gone, slot, following, endsAt: now + lastsMs };
}

/**
 * Answers an EventSource. In place of a refusal that passes with time it returns a stream that ends at once and says when to
 * reconnect. After another status the EventSource would stay closed.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model
 */
async function toEventSource(
  { logRefusal, random }: StreamOptions,
  raw: Request,
  answer: () => Promise<Response>,
): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (!(error instanceof Refusal) || !PASSING.has(error.code)) throw error;
    logRefusal(error, aboutOf(raw));
    const retry = Math.round(LATER_MS * (1 + random()));
    return new Response(`: ${error.code}\nretry: ${retry}\n\n`, { headers: EVENT_STREAM });
  }
}

async function oneChannel(
  options: StreamOptions,
  { channel: name, caller, raw }: ChannelRequest,
  mode: Mode,
): Promise<Response> {
  const { openInbox, random, delivered } = options;
  const from = parseFrom(raw, mode);
  const hold = { ...options.hold, reading: readingOf(parseConflate(raw)) };
  const reader = await heldReader(options.presence, { raw, caller, names: [name], transport: 'sse' });
  const { gone, slot, following, endsAt } = newStream(options, caller);
  const batches = follow(hold, name, from, following);
  // The first batch is read before the headers are sent, so that an error of the request becomes a status.
  const { value: first } = await batches.next();
  if (!first || (mode !== 'sse' && isOver(first))) return new Response(null, { status: 204 });
  await slot.take();
  await entered(reader, slot, endsAt);
  const asText = isText(first.channel.contentType);
  const cursor = parameterOf(raw, 'cursor');
  const framesOf = (held: Held): string => {
    delivered(held.result.messages.length);
    if (mode !== 'sse') return browserFrames(held);
    return protocolFrames(held, cursorAfter(cursor, hold.log.clock(), random));
  };
  const frames = async function* (): AsyncGenerator<string> {
    yield (mode === 'sse' ? '' : browserPreamble(formatOffset(first.result.from), random)) + framesOf(first);
    let last = first;
    // Durable Streams has no event for a message without an offset.
    const inbox = openInbox(mode === 'sse' ? [] : [name]);
    for await (const next of interleaved(batches, inbox)) {
      if ('news' in next) {
        delivered(next.news.messages.length);
        yield next.news.messages.map(ephemeralFrame).join('');
        continue;
      }
      const held = next.step;
      // The channel was created meanwhile, with a type that does not fit the headers that were sent: the reader reconnects.
      if (isText(held.channel.contentType) !== asText) return;
      yield (saysMore(last, held) && framesOf(held)) || HEARTBEAT;
      last = held;
    }
  };
  const headers = {
    ...EVENT_STREAM,
    [STREAM_START_OFFSET]: formatOffset(first.result.from),
    ...(asText ? {} : { [STREAM_SSE_DATA_ENCODING]: 'base64' }),
  };
  return new Response(bytesOf(frames(), { gone, slot, log: options, raw }), { headers });
}

async function severalChannels(options: StreamOptions, raw: Request, caller: Caller): Promise<Response> {
  const { access, openInbox, random, delivered } = options;
  const { names, from } = parseEvents(raw);
  const hold = { ...options.hold, reading: readingOf(parseConflate(raw)) };
  for (const name of names) access.require('subscribe', name, caller);
  const reader = await heldReader(options.presence, { raw, caller, names, transport: 'sse' });
  const { gone, slot, following, endsAt } = newStream(options, caller);
  const streams = names.map((name, at) => followOn(hold, name, from[at] ?? 'beginning', following));
  const firsts = await firstOf(streams, gone);
  if (firsts.every(({ held }) => held && isOver(held))) return new Response(null, { status: 204 });
  await slot.take();
  await entered(reader, slot, endsAt);
  const frames = mergedFrames({ names, from, openInbox, delivered, random }, firsts, merged(streams));
  return new Response(bytesOf(frames, { gone, slot, log: options, raw }), { headers: EVENT_STREAM });
}

/** Notes that the reader of a stream is there. If the store is busy, the request is refused, and its slot is given back. */
async function entered(reader: HeldReader, slot: QuotaSlot, endsAt: number): Promise<void> {
  try {
    await reader.enter(endsAt);
  } catch (error) {
    await slot.leave();
    throw error;
  }
}

/** Returns true for a closed channel that was read to its end. Then 204 tells an EventSource not to reconnect. */
const isOver = ({ result }: Held): boolean => result.closed && result.messages.length === 0;

/** Returns false for a batch without news for the reader. */
function saysMore({ result: last }: Held, { result }: Held): boolean {
  const moved = formatOffset(result.next) !== formatOffset(last.next);
  return moved || result.closed || result.upToDate !== last.upToDate;
}

/** Returns the first step of each stream. An error of one is the status of the whole answer. */
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

/** The request for a stream of several channels. */
interface EventsRequest extends Pick<StreamOptions, 'openInbox' | 'delivered' | 'random'> {
  readonly names: readonly string[];
  readonly from: readonly From[];
}

/** Yields the events of several channels. Each event names its channel. Its id has the offsets of all, in request order. */
async function* mergedFrames(
  { names, from, openInbox, delivered, random }: EventsRequest,
  firsts: readonly Followed[],
  following: AsyncGenerator<{ readonly at: number; readonly step: Followed }>,
): AsyncGenerator<string> {
  // In the first id a deleted channel keeps its old offset, so that a reader which loses that answer is still told.
  const offsets = firsts.map(({ held }, at) => offsetOf(held?.result.from ?? from[at]));
  const framesOf = (at: number, { held, gone }: Followed): string => {
    const channel = names[at] ?? '';
    if (gone) {
      // The zero offset is the beginning of every channel. If the name is created again, it is read from its first message.
      offsets[at] = offsetOf(BEGINNING);
      const data = JSON.stringify({ channel, ...gone.toJSON() });
      return `event: ${GONE_EVENT}\nid: ${offsets.join('.')}\ndata: ${data}\n\n`;
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
  for await (const next of interleaved(following, openInbox(names))) {
    if ('news' in next) {
      delivered(next.news.messages.length);
      yield ephemeralEventsOf(next.news);
    } else yield framesOf(next.step.at, next.step.step) || HEARTBEAT;
  }
}

const ephemeralEventsOf = ({ channel, messages }: EphemeralNews): string =>
  messages.map((text) => ephemeralFrame(`{"channel":${JSON.stringify(channel)},"message":${text}}`)).join('');

/** The event for a channel of the stream that was deleted. */
const GONE_EVENT = 'gone';

/** The event for a closed channel that was read to its end. The others go on. */
const CLOSED_EVENT = 'closed';

const offsetOf = (from: From | undefined): string =>
  from !== undefined && isPosition(from) ? formatOffset(from) : formatOffset(BEGINNING);

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

/** The parts that must end with a stream, and the log of its errors. */
interface StreamEnd {
  readonly gone: AbortController;
  readonly slot: QuotaSlot;
  readonly log: HandlerLog;
  readonly raw: Request;
}

/** Returns the frames as bytes, until the reader goes or an error ends the stream. The reader then resumes at its offset. */
function bytesOf(
  frames: AsyncGenerator<string>,
  { gone, slot, log, raw }: StreamEnd,
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
      // Before the end of the stream: after it Lambda may freeze the process.
      await slot.leave();
      controller.close();
    },
    async cancel() {
      gone.abort();
      await Promise.all([frames.return(undefined), slot.leave()]);
    },
  });
}

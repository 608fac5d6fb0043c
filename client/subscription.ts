/**
 * A subscription to one channel: its cursor, and the transports that move it.
 * @module
 */
import { isChannelName } from '../protocol/channel-name.ts';
import { parseOffset } from '../protocol/offset.ts';
import { type Batch, isUnsettled } from './batch.ts';
import { type Cursor, cursorAt } from './cursor.ts';
import { asTidingsError, TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import type { Link } from './link.ts';
import { liveReader } from './live.ts';
import type { Pages } from './page.ts';
import { longPollReader, pollReader } from './poll.ts';
import type { RequestLimits } from './request-limits.ts';
import { eventStreamReader } from './sse.ts';
import { type ConnectionState, stateTeller } from './state.ts';
import type { Streams } from './streams.ts';
import { onAbort } from './timers.ts';
import { runWithFallback, type Transport, type TransportReader } from './transport.ts';

/** What all subscriptions of a client share. */
export interface Means {
  readonly host: Host;
  readonly pages: Pages;
  readonly streams: Streams;
  readonly limits: RequestLimits;
  /** Those that work here, the first choice first. */
  readonly transports: readonly Transport[];
  /** Undefined without WebSockets. */
  readonly link: Link | undefined;
  /** Aborted when the client is closed. */
  readonly signal: AbortSignal;
}

/** What a subscription tells; nothing after its end. */
export interface Listener {
  readonly onBatch: (batch: Batch) => void;
  /** Something to know about, after which it goes on. */
  readonly onFault: (error: TidingsError) => void;
  readonly onTransport: (name: Transport) => void;
  /** The hub has taken the subscription: nothing that is published from now on is missed. */
  readonly onSubscribed: () => void;
  readonly onState: (state: ConnectionState) => void;
  /** It is over: without an error if the channel or the client was closed. */
  readonly onEnd: (error: TidingsError | undefined) => void;
}

/** A subscription that runs. */
export interface Followed {
  /** Everything before it was handed over; `now` for a pattern. */
  readonly offset: string;
  /** Ends it without a word. */
  readonly close: () => void;
  /** Of a pattern: delivers nothing, and keeps nothing but where each channel stands, until it is resumed. */
  readonly pause?: () => void;
  readonly resume?: () => void;
}

/** The life of a subscription: it ends once, by itself, with its client or by `close`. */
export interface Life {
  readonly signal: AbortSignal;
  readonly end: (error?: TidingsError) => void;
  readonly close: () => void;
}

export function lifeIn(client: AbortSignal, onEnd: Listener['onEnd']): Life {
  const controller = new AbortController();
  const { signal } = controller;
  const close = (): void => {
    forget();
    controller.abort();
  };
  const end = (error?: TidingsError): void => {
    if (signal.aborted) return;
    close();
    onEnd(error);
  };
  const forget = onAbort(client, () => end());
  return { signal, end, close };
}

export function followChannel(
  means: Means,
  channel: string,
  offset: string,
  { onBatch, onTransport, onSubscribed, onState, onEnd }: Listener,
): Followed {
  const { signal, end, close } = lifeIn(means.signal, onEnd);
  const cursor = cursorAt({ channel, offset, signal, deliver: onBatch, onBegin: onSubscribed, onEnd: end });
  const states = stateTeller(signal, onState);
  let transport: Transport | undefined;
  const say = (name: Transport): void => {
    if (signal.aborted) return;
    states.up(name);
    if (name === transport) return;
    transport = name;
    onTransport(name);
  };
  const run = async (): Promise<void> => {
    if (means.signal.aborted) throw new TidingsError('unavailable', 'the client is closed');
    refuseBad(channel, offset);
    await runWithFallback(readersOf(means, cursor), signal, say, states.down);
  };
  run().catch((error: unknown) => end(asTidingsError(error)));
  return {
    get offset() {
      return cursor.offset;
    },
    close,
  };
}

/** Here as on the hub: a name with other characters in it would be another address. */
function refuseBad(channel: string, offset: string): void {
  if (!isChannelName(channel)) throw new TidingsError('bad_channel', `no channel is named "${channel}"`);
  if (isUnsettled(offset) || parseOffset(offset)) return;
  throw new TidingsError('bad_offset', `an offset is 16 digits, -1 or now, got "${offset}"`);
}

function readersOf(means: Means, cursor: Cursor): TransportReader[] {
  const source = { ...means, cursor };
  const make: Record<Transport, () => TransportReader[]> = {
    websocket: () => (means.link ? [socketReader(means, means.link, cursor)] : []),
    sse: () => [eventStreamReader(source)],
    'long-poll': () => [longPollReader(source)],
    poll: () => [pollReader(source)],
  };
  return means.transports.flatMap((name) => make[name]());
}

const socketReader = ({ host, pages }: Means, link: Link, cursor: Cursor): TransportReader => ({
  name: 'websocket',
  run: ({ signal, up, down, lost }) =>
    new Promise((_, reject) => {
      const { channel } = cursor;
      const read = (offset: string) => pages.read({ channel, offset }, signal);
      const reader = liveReader({ host, cursor, read, signal, onRefused: reject });
      const leave = link.join({
        topic: channel,
        offset: () => cursor.offset,
        onFrame: reader.take,
        onLive(answer) {
          up();
          reader.begin(answer);
        },
        onLost: (why) => lost?.(why),
        onDown: down,
        onRefused: reject,
      });
      onAbort(signal, leave);
    }),
});

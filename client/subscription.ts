/**
 * How a subscription is connected, as a page shows it.
 * @module
 */
/**
 * A subscription to one channel: its cursor, and the transports that move it.
 * @module
 */
import { isChannelName } from '../protocol/channel-name.ts';
import { parseOffset } from '../protocol/offset.ts';
import { type Batch, type Cursor, cursorAt, isUnsettled } from './cursor.ts';
import { asTidingsError, TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import type { RequestLimits } from './http.ts';
import type { Pages } from './page.ts';
import { onAbort } from './timers.ts';
import { runWithFallback, type Transport, type TransportReader } from './transports/failover.ts';
import type { Link } from './transports/link.ts';
import { liveReader } from './transports/live.ts';
import { longPollReader, pollReader } from './transports/polling.ts';
import { eventStreamReader, type Streams } from './transports/streams.ts';

export type ConnectionState =
  /** It has not been connected yet. */
  | { readonly state: 'connecting' }
  /** Messages come by this transport. */
  | { readonly state: 'connected'; readonly transport: Transport }
  /** It was connected, and is being connected again. Nothing is lost. */
  | { readonly state: 'reconnecting'; readonly error: TidingsError }
  /** Every transport has been tried in vain. They are tried again until one works. */
  | { readonly state: 'offline'; readonly error: TidingsError };

export interface StateTeller {
  /** Messages come by this transport. */
  readonly up: (transport: Transport) => void;
  /** This transport does not work at the moment; `isLast` if there is no other. */
  readonly down: (transport: Transport, error: TidingsError, isLast: boolean) => void;
}

/** Tells each state once, `connecting` a moment after this call. Nothing is told once the signal is aborted. */
export function stateTeller(signal: AbortSignal, onState: (state: ConnectionState) => void): StateTeller {
  let last: ConnectionState = { state: 'connecting' };
  const tell = (state: ConnectionState): void => {
    last = state;
    if (!signal.aborted) onState(state);
  };
  queueMicrotask(() => last.state === 'connecting' && tell(last));
  return {
    up(transport) {
      if (last.state !== 'connected' || last.transport !== transport) tell({ state: 'connected', transport });
    },
    down(transport, error, isLast) {
      if (last.state === 'connected') {
        // A better one that is tried again beside the one that works is no news.
        if (last.transport === transport) tell({ state: 'reconnecting', error });
      } else if (isLast && last.state !== 'offline') tell({ state: 'offline', error });
    },
  };
}

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

/**
 * A subscription to one channel: its cursor, its state, and the transports that move the cursor.
 * @module
 */
import { isChannelName } from '../protocol/channel-name.ts';
import { MAX_MESSAGES } from '../protocol/limits.ts';
import { parseOffset } from '../protocol/offset.ts';
import { type Batch, type Cursor, countOf, cursorAt, isUnsettled } from './cursor.ts';
import { asTidingsError, TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import type { RequestLimits } from './http.ts';
import type { Pages, Said } from './page.ts';
import type { RetryBudget } from './retry-budget.ts';
import { onAbort } from './timers.ts';
import {
  type ConnectionState,
  runWithFailover,
  stateReporter,
  type Transport,
  type TransportReader,
} from './transports/failover.ts';
import type { Ephemeral } from './transports/frames.ts';
import type { Link } from './transports/link.ts';
import { socketReader } from './transports/live.ts';
import { longPollReader, pollReader } from './transports/polling.ts';
import { eventStreamReader, type Streams } from './transports/streams.ts';

/** The parts that all subscriptions of a client share. */
export interface Shared {
  /** The machine. */
  readonly host: Host;
  /** Reads over HTTP. */
  readonly pages: Pages;
  /** The event streams, shared by all subscriptions. */
  readonly streams: Streams;
  /** Bounds the long polls. */
  readonly limits: RequestLimits;
  /** Pays for retries. */
  readonly budget: RetryBudget;
  /** The transports that work here, the first choice first. */
  readonly transports: readonly Transport[];
  /** The socket of the client. Undefined without WebSockets. */
  readonly link: Link | undefined;
  /** Aborted when the client is closed. */
  readonly signal: AbortSignal;
}

/** The callbacks of a subscription. None is called after its end. */
export interface Listener {
  /** Receives each batch once, in order. */
  readonly onBatch: (batch: Batch) => void;
  /** Receives ephemeral messages: by a WebSocket or an event stream, and by no other transport. */
  readonly onEphemeral: (ephemeral: Ephemeral) => void;
  /** An error after which the subscription continues. */
  readonly onFault: (error: TidingsError) => void;
  /** The messages begin to come by another transport. */
  readonly onTransport: (name: Transport) => void;
  /** The hub has accepted the subscription. Nothing that is published after that is missed. */
  readonly onSubscribed: () => void;
  /** The connection has another state. */
  readonly onState: (state: ConnectionState) => void;
  /** The subscription is over. The error is undefined if the channel or the client was closed. */
  readonly onEnd: (error: TidingsError | undefined) => void;
}

/** A running subscription. */
export interface Followed {
  /** Everything before this offset was delivered. `now` for a pattern. */
  readonly offset: string;
  /** Ends it without a callback. */
  readonly close: () => void;
  /** Patterns only: delivers nothing until `resume`, and keeps only the offset of each channel. */
  readonly pause?: () => void;
  /** Patterns only: continues after a pause. */
  readonly resume?: () => void;
}

/** The lifetime of a subscription. It ends once: by itself, with its client, or by `close`. */
export interface Life {
  /** Aborted at the end. */
  readonly signal: AbortSignal;
  /** Ends it, and calls `onEnd`. */
  readonly end: (error?: TidingsError) => void;
  /** Ends it without a callback. */
  readonly close: () => void;
}

/** Returns a lifetime that ends with the client, if not before. */
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

/** Where a subscription begins, and what it may miss. */
export interface Start {
  /** An offset, `-1`, `now`, `latest` or `last=N`. */
  readonly offset: string;
  /** True if it may miss messages that newer ones of the same key have replaced. */
  readonly isConflated: boolean;
}

/**
 * Subscribes to a channel. All errors go to the listener, after this call has returned.
 * @param said what this client says about itself as a member of the channel; undefined for nothing
 */
export function followChannel(
  shared: Shared,
  channel: string,
  { offset, isConflated }: Start,
  { onBatch, onEphemeral, onTransport, onSubscribed, onState, onEnd }: Listener,
  said?: Said,
): Followed {
  const { signal, end, close } = lifeIn(shared.signal, onEnd);
  const cursor = cursorAt({ channel, offset, signal, deliver: onBatch, onBegin: onSubscribed, onEnd: end });
  const states = stateReporter(signal, onState);
  let transport: Transport | undefined;
  const onUp = (name: Transport): void => {
    if (signal.aborted) return;
    states.up(name);
    if (name === transport) return;
    transport = name;
    onTransport(name);
  };
  const run = async (): Promise<void> => {
    if (shared.signal.aborted) throw new TidingsError('unavailable', 'the client is closed');
    checkNames(channel, offset);
    // While one transport replaces another both may bring the same messages, and no offset tells them apart.
    const onEphemeralBy = (name: Transport) => (ephemeral: Ephemeral) => {
      if (name === transport && !signal.aborted) onEphemeral(ephemeral);
    };
    await runWithFailover(
      readersOf(shared, cursor, isConflated, onEphemeralBy, said),
      signal,
      onUp,
      states.down,
    );
  };
  run().catch((error: unknown) => end(asTidingsError(error)));
  return {
    get offset() {
      return cursor.offset;
    },
    close,
  };
}

/**
 * Refuses names and offsets that the hub refuses as well. A name with other characters would be part of the URL, and so
 * another address.
 */
export function checkNames(channel: string, offset: string): void {
  if (!isChannelName(channel)) throw new TidingsError('bad_channel', `no channel is named "${channel}"`);
  if (countOf(offset) !== undefined) checkCount('last', countOf(offset));
  if (isUnsettled(offset) || parseOffset(offset)) return;
  throw new TidingsError(
    'bad_offset',
    `an offset is one that the hub gave out, -1, now or latest, got "${offset}"`,
  );
}

/** Refuses a number of messages that the hub refuses as well. @throws TidingsError bad_request */
export function checkCount(name: string, count: number | undefined): void {
  if (count !== undefined && Number.isInteger(count) && count >= 1 && count <= MAX_MESSAGES) return;
  throw new TidingsError('bad_request', `${name} is a whole number from 1 to ${MAX_MESSAGES}, got ${count}`);
}

/** The transports of a member: a stream is shared by channels for which the client may say different things. */
const MEMBER_TRANSPORTS: readonly Transport[] = ['websocket', 'long-poll'];

function readersOf(
  shared: Shared,
  cursor: Cursor,
  isConflated: boolean,
  onEphemeralBy: (name: Transport) => Listener['onEphemeral'],
  said: Said | undefined,
): TransportReader[] {
  const pages: Pages = { read: (request, signal) => shared.pages.read({ ...request, isConflated }, signal) };
  const source = { ...shared, pages, cursor, isConflated, said };
  const { link } = shared;
  const make: Record<Transport, () => TransportReader[]> = {
    websocket: () =>
      link ? [socketReader({ ...source, link, onEphemeral: onEphemeralBy('websocket') })] : [],
    sse: () => [eventStreamReader({ ...source, onEphemeral: onEphemeralBy('sse') })],
    'long-poll': () => [longPollReader(source)],
    poll: () => [pollReader(source)],
  };
  const names = said
    ? shared.transports.filter((name) => MEMBER_TRANSPORTS.includes(name))
    : shared.transports;
  return names.flatMap((name) => make[name]());
}

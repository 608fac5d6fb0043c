/**
 * Composes the client. The host gives it timers, fetch and sockets, so it runs in browsers and in Node.
 * @module
 */
import { isPattern } from '../protocol/channel-name.ts';
import { DEFAULT_MESSAGES } from '../protocol/limits.ts';
import { type Batch, LATEST, lastOf } from './cursor.ts';
import type { TidingsError } from './errors.ts';
import { historyOf } from './history.ts';
import type { Host } from './host.ts';
import { httpWith, requestLimits } from './http.ts';
import { iterate } from './iterate.ts';
import { type ConnectOptions, settingsOf } from './options.ts';
import { pagesOf } from './page.ts';
import { followPattern } from './pattern.ts';
import { enterChannel, type Presence, type PresenceOptions } from './presence/presence.ts';
import {
  ephemeralPublicationOf,
  type Publisher,
  publicationOf,
  publishEphemeral,
  publishQueue,
} from './publish.ts';
import { retryBudget } from './retry-budget.ts';
import { type Followed, followChannel, type Listener, type Shared, type Start } from './subscription.ts';
import { tokensOf } from './token.ts';
import type { ConnectionState, Transport } from './transports/failover.ts';
import type { Ephemeral } from './transports/frames.ts';
import { linkTo } from './transports/link.ts';
import { streamsOf } from './transports/streams.ts';

/** The start and the callbacks of a subscription. */
export interface SubscribeOptions {
  /** A stored offset, `-1` for all that is kept, or `now` (the default). A pattern always begins at `now`. */
  readonly offset?: string | undefined;
  /** Begins this many messages before the end: 1 to 1,000. Not together with `offset`. A pattern always begins at `now`. */
  readonly last?: number | undefined;
  /** True to begin at the newest message of each key of a keyed channel. Not together with `offset` or `last`. */
  readonly latest?: boolean | undefined;
  /**
   * True to skip messages that a newer one of the same key has replaced, if this client is behind. Only of keyed channels.
   */
  readonly conflate?: boolean | undefined;
  /** Receives the batches in the order of the channel. The client does not wait for what it returns. */
  readonly onMessages: (batch: Batch) => void;
  /**
   * Receives messages that were published with `ephemeral`: while this subscription reads by a WebSocket or an event stream, each
   * at most once, in no order. A long poll and a short poll bring none.
   */
  readonly onEphemeral?: ((ephemeral: Ephemeral) => void) | undefined;
  /**
   * Receives the error that ended the subscription. A pattern also reports errors that do not end it: `unavailable` once
   * for each period without a socket, and an error for each channel that could not be read, with its name in `error.channel`.
   * If no WebSocket is possible, a pattern ends with `not_supported`.
   */
  readonly onError?: ((error: TidingsError) => void) | undefined;
  /** Called once, when the hub has accepted the subscription. Nothing that is published after that is missed. */
  readonly onSubscribed?: (() => void) | undefined;
  /** Receives each change of the connection of this subscription. The first one is `connecting`. */
  readonly onState?: ((state: ConnectionState) => void) | undefined;
  /** Receives the name of the transport when messages begin to come by another one. */
  readonly onTransport?: ((name: Transport) => void) | undefined;
  /** Called once, after the last batch of a channel that is closed for good. */
  readonly onEnd?: (() => void) | undefined;
}

/** The options that say where a subscription begins, and what it may miss. */
type StartOptions = Pick<SubscribeOptions, 'offset' | 'last' | 'latest' | 'conflate'>;

/** A subscription that the caller can end. */
export interface Subscription {
  /** The channel or pattern. */
  readonly channel: string;
  /**
   * All messages before this offset were delivered. Store it, and subscribe with it the next time. It is `now` for a pattern.
   */
  readonly offset: string;
  /** Ends the subscription. No callback is called after that. */
  readonly close: () => void;
}

/** Where a history ends, and the size of its batches. */
export interface HistoryOptions {
  /** The offset where the newest batch ends: the `from` of a batch. Default: `now`, the end of the channel. */
  readonly before?: string | undefined;
  /** Messages in a batch: 1 to 1,000, and at most about 1 MB. Default: 100. */
  readonly limit?: number | undefined;
}

/** The options of one publish. */
export interface PublishOptions {
  /**
   * Your own Idempotency-Key (PROTOCOL.md §4.4), for a publish that must survive the end of this process: 1 to 255
   * printable ASCII characters, no space at either end.
   */
  readonly key?: string | undefined;
  /** Absent: the messages are stored. */
  readonly ephemeral?: undefined;
}

/** The options of an ephemeral publish. */
export interface EphemeralOptions {
  /** The messages are not stored. They go to the subscribers that are connected now (PROTOCOL.md §4.7). */
  readonly ephemeral: true;
}

/** Publishes to a channel. */
export interface Publish {
  /**
   * Publishes 1 to 1,000 JSON values as one entry, exactly once. The values are copied at the moment of the call.
   * Returns the offset after them when they are durable. Publishes on one channel are stored in the order of the calls:
   * each one is sent when the one before it is answered.
   * @throws TypeError if `messages` is not an array, or if JSON cannot carry a value
   * @throws TidingsError a refusal, or `unavailable` within a minute of the last answer of the hub. Then it is unknown
   * whether the messages were stored: publish them again with the same key
   */
  (
    channel: string,
    messages: readonly unknown[],
    options?: PublishOptions,
  ): Promise<{ readonly offset: string }>;
  /**
   * Sends JSON values to the subscribers that are connected now, at most once. They wait for no other publish, and are not sent
   * again. It returns when the hub has accepted them.
   * @throws TypeError as above
   * @throws TidingsError a refusal, or `unavailable` if it is unknown whether they were sent
   */
  (channel: string, messages: readonly unknown[], options: EphemeralOptions): Promise<void>;
}

/** A client of one hub. */
export interface Hub {
  /** Subscribes to a channel or a pattern (PROTOCOL.md §2). It never throws. Errors go to `onError`. */
  readonly subscribe: (channel: string, options: SubscribeOptions) => Subscription;
  /**
   * Subscribes, and returns the batches as an iterator for `for await`. The loop ends when the channel is closed or the
   * client is closed. It throws a TidingsError for every other end.
   */
  readonly messages: (channel: string, options?: StartOptions) => AsyncIterableIterator<Batch, undefined>;
  /**
   * Reads a channel backwards, for a reader that scrolls up. Each batch is in the order of the channel, and ends where the batch
   * before it began. The loop ends at the oldest message that is kept. It throws a TidingsError if the hub refuses.
   */
  readonly history: (channel: string, options?: HistoryOptions) => AsyncIterableIterator<Batch, undefined>;
  /** Publishes JSON values. */
  readonly publish: Publish;
  /**
   * Enters a channel that has presence (PROTOCOL.md §14), and follows who is there, until `leave`. It needs WebSockets or long polls.
   * It throws only if JSON cannot carry the data. All other errors go to `onError`.
   * @throws TypeError
   */
  readonly presence: (channel: string, options?: PresenceOptions) => Presence;
  /** Closes the socket and ends all requests and timers, for good. `connect` makes another client. */
  readonly close: () => void;
}

/**
 * Returns a client that runs on `host`.
 * @throws TypeError for an option that cannot be used
 */
export function connectOver(host: Host, options: ConnectOptions): Hub {
  const { url, socketUrl, streamUrl, transports, token } = settingsOf(options);
  const client = new AbortController();
  const { signal } = client;
  const tokens = tokensOf(host, token, signal);
  const http = httpWith(host, tokens);
  const hasSockets = host.openWire !== undefined && transports.includes('websocket');
  const limits = requestLimits();
  const budget = retryBudget(host);
  let readerId: string | undefined;
  const reader = (): string | undefined => readerId;
  const isOnlyTransport = transports.every((name) => name === 'websocket');
  const linkOptions = { host, url: socketUrl, tokens, http, budget, hubUrl: url, isOnlyTransport, signal };
  const shared: Shared = {
    host,
    pages: pagesOf({ host, http, limits, url, reader }),
    streams: streamsOf({ host, http, budget, streamUrl, reader }),
    budget,
    limits,
    transports,
    link: hasSockets ? linkTo(linkOptions) : undefined,
    signal,
  };
  const publisher = { host, http, url, budget, signal, socket: () => shared.link?.socket() };
  return {
    subscribe(channel, options) {
      const { onMessages, onEphemeral, onError, onSubscribed, onState, onTransport, onEnd, ...start } =
        options;
      const followed = follow(shared, channel, startOf(start), {
        onBatch: guarded(onMessages),
        onEphemeral: guarded(onEphemeral),
        onFault: guarded(onError),
        onSubscribed: guarded<void>(onSubscribed),
        onState: guarded(onState),
        onTransport: guarded(onTransport),
        onEnd: guarded((error) => {
          if (error) onError?.(error);
          // After `close()` no callback is called.
          else if (!signal.aborted) onEnd?.();
        }),
      });
      return {
        channel,
        get offset() {
          return followed.offset;
        },
        close: followed.close,
      };
    },
    messages(channel, start = {}) {
      const { offset, isConflated } = startOf(start);
      return iterate(
        (at, listener) => follow(shared, channel, { offset: at, isConflated }, listener),
        offset,
      );
    },
    history: (channel, { before = 'now', limit = DEFAULT_MESSAGES } = {}) =>
      historyOf(shared, channel, before, limit),
    publish: publishing(publisher),
    presence(channel, { data, onChange, onError } = {}) {
      // A copy, as for a publish: what is said later must not change what was said.
      const said: unknown = JSON.parse(JSON.stringify(data ?? null));
      const guards = { onChange: guarded(onChange), onError: guarded(onError) };
      readerId ??= host.newKey();
      return enterChannel(shared, channel, { data: said, ...guards });
    },
    close: () => client.abort(),
  };
}

function publishing(publisher: Publisher): Publish {
  const inOrder = publishQueue(publisher);
  const { host } = publisher;
  function publish(
    channel: string,
    messages: readonly unknown[],
    options?: PublishOptions,
  ): Promise<{ readonly offset: string }>;
  function publish(channel: string, messages: readonly unknown[], options: EphemeralOptions): Promise<void>;
  async function publish(
    channel: string,
    messages: readonly unknown[],
    options: PublishOptions | EphemeralOptions = {},
  ): Promise<unknown> {
    if (options.ephemeral)
      return await publishEphemeral(publisher, ephemeralPublicationOf(channel, messages));
    const { key = host.newKey() } = options;
    return { offset: await inOrder(publicationOf(channel, messages, key)) };
  }
  return publish;
}

/** Returns the start of a subscription as a cursor takes it. Several together are an offset that is refused. */
function startOf({ offset, last, latest, conflate }: StartOptions): Start {
  const starts = [offset, last === undefined ? undefined : lastOf(last), latest ? LATEST : undefined];
  const given = starts.filter((start) => start !== undefined);
  return { offset: given.length === 0 ? 'now' : given.join(' and '), isConflated: conflate === true };
}

const follow = (shared: Shared, channel: string, start: Start, listener: Listener): Followed =>
  channel.endsWith('*') && isPattern(channel)
    ? followPattern(shared, channel, listener)
    : followChannel(shared, channel, start, listener);

/**
 * Returns a listener that does not throw. An error of the caller's code must not stop the client, so it surfaces as an
 * uncaught error.
 */
function guarded<T>(listener: ((value: T) => void) | undefined): (value: T) => void {
  return (value) => {
    try {
      listener?.(value);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}

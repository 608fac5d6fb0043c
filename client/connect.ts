/**
 * The client put together, over any host.
 * @module
 */
import { isPattern } from '../protocol/channel-name.ts';
import type { Batch } from './cursor.ts';
import type { TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import { httpWith, requestLimits } from './http.ts';
import { iterate } from './iterate.ts';
import { type ConnectOptions, settingsOf } from './options.ts';
import { pagesOf } from './page.ts';
import { followPattern } from './pattern.ts';
import { publicationOf, publishQueue } from './publish.ts';
import {
  type ConnectionState,
  type Followed,
  followChannel,
  type Listener,
  type Means,
} from './subscription.ts';
import { tokensOf } from './token.ts';
import type { Transport } from './transports/failover.ts';
import { linkTo } from './transports/link.ts';
import { streamsOf } from './transports/streams.ts';

export interface SubscribeOptions {
  /** An offset that was stored, `-1` for all that is kept, or `now`, the default. A pattern begins `now`. */
  readonly offset?: string | undefined;
  /** Called with batch after batch, in the channel's order; what it returns is not waited for. */
  readonly onMessages: (batch: Batch) => void;
  /**
   * Called with what ended the subscription. Of a pattern also with what did not: `unavailable` once for each time
   * without a socket, and what could not be read of one channel, named by `error.channel`. Where no WebSocket can be
   * had at all a pattern ends with `not_supported`.
   */
  readonly onError?: ((error: TidingsError) => void) | undefined;
  /** Called once, when the hub has taken the subscription: nothing that is published from then on is missed. */
  readonly onSubscribed?: (() => void) | undefined;
  /** Called whenever the connection of this subscription changes, first with `connecting`. */
  readonly onState?: ((state: ConnectionState) => void) | undefined;
  /** Called when the messages begin to come another way. */
  readonly onTransport?: ((name: Transport) => void) | undefined;
  /** Called once, after the last batch of a channel that is closed for good. */
  readonly onEnd?: (() => void) | undefined;
}

export interface Subscription {
  readonly channel: string;
  /** Everything before it was handed over: store it, and come again with it. Of a pattern it is `now` for good. */
  readonly offset: string;
  /** Ends it; nothing is called any more. */
  readonly close: () => void;
}

export interface PublishOptions {
  /**
   * An Idempotency-Key of one's own (PROTOCOL.md §4.4), for a publish that outlives this process: 1 to 255 printable
   * ASCII characters, without a space at either end.
   */
  readonly key?: string | undefined;
}

export interface Hub {
  /** Subscribes to a channel, or to a pattern (PROTOCOL.md §2). Errors go to `onError`; it never throws. */
  readonly subscribe: (channel: string, options: SubscribeOptions) => Subscription;
  /**
   * The same as an iterator, for `for await`. It ends with a channel that is closed and with the client, and throws a
   * TidingsError for everything else that ends it.
   */
  readonly messages: (
    channel: string,
    options?: Pick<SubscribeOptions, 'offset'>,
  ) => AsyncIterableIterator<Batch, undefined>;
  /**
   * Publishes 1 to 1,000 JSON values as one entry, exactly once, as they are at this moment. Returns the offset after them
   * once they are durable. Publishes on one channel are stored in the order of the calls: each is sent when the one before
   * it was answered.
   * @throws TypeError for what is no list, or that JSON cannot carry
   * @throws TidingsError a refusal; or `unavailable` within a minute after the hub has last answered, when it is unknown
   * whether they were stored: publish them again with the same key
   */
  readonly publish: (
    channel: string,
    messages: readonly unknown[],
    options?: PublishOptions,
  ) => Promise<{ readonly offset: string }>;
  /** Ends everything, for good: the socket, requests, timers. `connect` makes another client. */
  readonly close: () => void;
}

/** @throws TypeError for options that nothing can be done with */
export function connectOver(host: Host, options: ConnectOptions): Hub {
  const { url, socketUrl, streamUrl, transports, token } = settingsOf(options);
  const client = new AbortController();
  const { signal } = client;
  const tokens = tokensOf(host, token, signal);
  const http = httpWith(host, tokens);
  const hasSockets = host.openWire !== undefined && transports.includes('websocket');
  const limits = requestLimits();
  const isAlone = transports.every((name) => name === 'websocket');
  const linkOptions = { host, url: socketUrl, tokens, http, hubUrl: url, isAlone, signal };
  const means: Means = {
    host,
    pages: pagesOf({ host, http, limits, url }),
    streams: streamsOf({ host, http, streamUrl }),
    limits,
    transports,
    link: hasSockets ? linkTo(linkOptions) : undefined,
    signal,
  };
  const publish = publishQueue({ host, http, url, signal, socket: () => means.link?.socket() });
  return {
    subscribe(channel, { offset = 'now', onMessages, onError, onSubscribed, onState, onTransport, onEnd }) {
      const followed = follow(means, channel, offset, {
        onBatch: guarded(onMessages),
        onFault: guarded(onError),
        onSubscribed: guarded<void>(onSubscribed),
        onState: guarded(onState),
        onTransport: guarded(onTransport),
        onEnd: guarded((error) => {
          if (error) onError?.(error);
          // With the client nothing is called any more.
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
    messages(channel, { offset = 'now' } = {}) {
      return iterate((at, listener) => follow(means, channel, at, listener), offset);
    },
    async publish(channel, messages, { key = host.newKey() } = {}) {
      return { offset: await publish(publicationOf(channel, messages, key)) };
    },
    close: () => client.abort(),
  };
}

const follow = (means: Means, channel: string, offset: string, listener: Listener): Followed =>
  channel.endsWith('*') && isPattern(channel)
    ? followPattern(means, channel, listener)
    : followChannel(means, channel, offset, listener);

/** What a listener throws is its own: it must not stop what was going on, and surfaces as any uncaught error does. */
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

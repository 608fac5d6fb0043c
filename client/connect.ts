/**
 * The client put together, over any host.
 * @module
 */
import { isPattern } from '../protocol/channel-name.ts';
import type { Batch } from './batch.ts';
import type { TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import { httpWith, type Token } from './http.ts';
import { iterate } from './iterate.ts';
import { lanes } from './lanes.ts';
import { linkTo } from './link.ts';
import { pagesOf } from './page.ts';
import { followPattern } from './pattern.ts';
import { publish } from './publish.ts';
import { streamsOf } from './streams.ts';
import { type Followed, followChannel, type Listener, type Means } from './subscription.ts';
import { TRANSPORTS, type Transport } from './transport.ts';

export interface ConnectOptions {
  /** The hub's URL: `https://…`. */
  readonly url: string;
  /** Where sockets are, for a hub without the front door. Default: `/ws` of the hub. */
  readonly socketUrl?: string | undefined;
  /** Where streams are, for a hub without the front door. Default: the hub. */
  readonly streamUrl?: string | undefined;
  readonly token?: Token;
  /** Which may be used, the first choice first. Default: WebSocket, SSE, long polling, short polling. */
  readonly transports?: readonly Transport[] | undefined;
}

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
  /** Called when the messages begin to come another way. */
  readonly onTransport?: ((name: Transport) => void) | undefined;
}

export interface Subscription {
  readonly channel: string;
  /** Everything before it was handed over: store it, and come again with it. Of a pattern it is `now` for good. */
  readonly offset: string;
  /** Ends it; nothing is called any more. */
  readonly close: () => void;
}

export interface PublishOptions {
  /** An Idempotency-Key of one's own (PROTOCOL.md §4.4), for a publish that outlives this process. */
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
   * Publishes 1 to 1,000 JSON values as one entry, exactly once. Answers the offset after them once they are durable.
   * @throws TidingsError a refusal; or `unavailable` within a minute, when it is unknown whether they were stored:
   * publish them again with the same key
   */
  readonly publish: (
    channel: string,
    messages: readonly unknown[],
    options?: PublishOptions,
  ) => Promise<{ readonly offset: string }>;
  /** Ends everything: the socket, requests, timers. */
  readonly close: () => void;
}

export function connectOver(host: Host, options: ConnectOptions): Hub {
  const { token, transports = TRANSPORTS } = options;
  const url = options.url.replace(/\/+$/, '');
  const socketUrl = options.socketUrl ?? `${url.replace(/^http/, 'ws')}/ws`;
  const client = new AbortController();
  const { signal } = client;
  const http = httpWith(host, token);
  const hasSockets = host.openWire !== undefined && transports.includes('websocket');
  const shared = lanes();
  const means: Means = {
    host,
    pages: pagesOf({ host, http, lanes: shared, url }),
    streams: streamsOf({ host, http, streamUrl: (options.streamUrl ?? url).replace(/\/+$/, '') }),
    lanes: shared,
    transports,
    link: hasSockets ? linkTo({ host, url: socketUrl, token, signal }) : undefined,
    signal,
  };
  const publisher = { host, http, url, signal, socket: () => means.link?.socket() };
  return {
    subscribe(channel, { offset = 'now', onMessages, onError, onTransport }) {
      const followed = follow(means, channel, offset, {
        onBatch: guarded(onMessages),
        onFault: guarded(onError),
        onTransport: guarded(onTransport),
        onEnd: guarded((error) => error && onError?.(error)),
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
      return { offset: await publish(publisher, { channel, messages, key }) };
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

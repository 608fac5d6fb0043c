/**
 * A client for browsers and Node: it reads a channel over the best transport there is, and loses and repeats nothing
 * when that changes (PROTOCOL.md §11).
 * @module
 */
import { type ConnectOptions, connectOver, type Hub } from './connect.ts';
import { realHost } from './host.ts';

export type { Batch } from './batch.ts';
export type { ConnectOptions, Hub, PublishOptions, SubscribeOptions, Subscription } from './connect.ts';
export { TidingsError } from './errors.ts';
export type { Token } from './http.ts';
export type { Transport } from './transport.ts';

/** A client of one hub. It connects with the first subscription. */
export const connect = (options: ConnectOptions): Hub => connectOver(realHost(), options);

/**
 * The rate at which one connection may send messages (PROTOCOL.md §8). API Gateway has a rate for all connections together and
 * none for one connection. Without this bound a single client could use all of it.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-protect.html
 * @module
 */
import { MAX_MESSAGE_BURST, MAX_MESSAGES_PER_SECOND } from '../../protocol/limits.ts';

/** `fast`: refuse the message. `flooding`: the connection has ignored the refusals; end it. */
export type FrameRateState = 'fine' | 'fast' | 'flooding';

/** The most messages that are refused before a connection counts as flooding: those of ten seconds at its rate. */
const MAX_REFUSED = 10 * MAX_MESSAGES_PER_SECOND;

/** The most connections that a process remembers. A forgotten connection begins with a full burst. */
const REMEMBERED = 10_000;

interface Bucket {
  /** Messages that it may send now. Below zero: how many were refused. */
  tokens: number;
  /** The time of that count, in milliseconds. */
  at: number;
}

/**
 * Returns a function that counts a message of a connection and returns the state of that connection. The counts are in the
 * memory of this process. If several processes serve a connection, its bound is a multiple of the rate.
 */
export function frameRates(): (connection: string, now: number) => FrameRateState {
  const buckets = new Map<string, Bucket>();
  return (connection, now) => {
    const { tokens, at } = buckets.get(connection) ?? { tokens: MAX_MESSAGE_BURST, at: now };
    const gained = (Math.max(0, now - at) / 1_000) * MAX_MESSAGES_PER_SECOND;
    const left = Math.min(MAX_MESSAGE_BURST, tokens + gained) - 1;
    // The connection that sent last is forgotten last.
    buckets.delete(connection);
    const [oldest] = buckets.keys();
    if (oldest !== undefined && buckets.size >= REMEMBERED) buckets.delete(oldest);
    const isFlooding = left < -MAX_REFUSED;
    // Ending the connection may have failed, so it is tried again, but not for each message.
    buckets.set(connection, { tokens: isFlooding ? -MAX_REFUSED / 2 : left, at: now });
    if (isFlooding) return 'flooding';
    return left < 0 ? 'fast' : 'fine';
  };
}

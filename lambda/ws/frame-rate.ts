/**
 * How fast one connection may speak (PROTOCOL.md §8). API Gateway has a rate for all connections together and none for one:
 * without this bound a single client takes all of it, and goes on for as long as it likes.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-protect.html
 * @module
 */
import { MAX_MESSAGE_BURST, MAX_MESSAGES_PER_SECOND } from '../../protocol/limits.ts';

/** `fast` messages are refused; a connection that is `flooding` has gone on all the same, and is to be ended. */
export type FrameRateState = 'fine' | 'fast' | 'flooding';

/** So many messages are refused at most, ten seconds' worth, before a connection counts as flooding. */
const MAX_REFUSED = 10 * MAX_MESSAGES_PER_SECOND;

/** Connections that are remembered. A connection that is forgotten begins with a full burst. */
const REMEMBERED = 10_000;

interface Bucket {
  /** Messages that it may say now; below zero: how many were refused. */
  tokens: number;
  /** When that was, in milliseconds. */
  at: number;
}

/**
 * Counts the messages of each connection in the memory of this process. Other processes count for themselves, so the bound
 * is the exact one where one process serves a connection, and a multiple of it where several do.
 */
export function frameRates(): (connection: string, now: number) => FrameRateState {
  const buckets = new Map<string, Bucket>();
  return (connection, now) => {
    const { tokens, at } = buckets.get(connection) ?? { tokens: MAX_MESSAGE_BURST, at: now };
    const gained = (Math.max(0, now - at) / 1_000) * MAX_MESSAGES_PER_SECOND;
    const left = Math.min(MAX_MESSAGE_BURST, tokens + gained) - 1;
    // The one that spoke last is the last to be forgotten.
    buckets.delete(connection);
    const [oldest] = buckets.keys();
    if (oldest !== undefined && buckets.size >= REMEMBERED) buckets.delete(oldest);
    const isFlooding = left < -MAX_REFUSED;
    // Its end may be under way, or have failed: it is told again, and not for each message.
    buckets.set(connection, { tokens: isFlooding ? -MAX_REFUSED / 2 : left, at: now });
    if (isFlooding) return 'flooding';
    return left < 0 ? 'fast' : 'fine';
  };
}

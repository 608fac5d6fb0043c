/**
 * The cursor of one channel. It alone decides which messages are delivered, by the gap rule of PROTOCOL.md §12.3. So
 * two transports may read at the same time while one replaces the other, and no message is lost or delivered twice.
 * @module
 */

/** Consecutive messages of one channel. */
export interface Batch {
  /** The name of the channel. With a pattern, the channel that matched. */
  readonly channel: string;
  /**
   * Parsed JSON values, one per message. On channels of another content type they are strings: one per message on a
   * WebSocket or a stream, but one string for all that one HTTP read returns, because bytes follow each other there
   * without a boundary (PROTOCOL.md §5).
   */
  readonly messages: readonly unknown[];
  /** The form of the messages: parsed JSON, text (of `text/*`), or base64 of any other type. */
  readonly encoding: 'json' | 'text' | 'base64';
  /** The offset before the first message. `-1` or `now` if the reading began there. */
  readonly from: string;
  /**
   * The offset after the last message. Store it together with the effects of the messages, and subscribe with it the
   * next time.
   */
  readonly next: string;
  /** True if this is the end of a channel that is closed for good. The subscription is over then. */
  readonly closed: boolean;
}

/** The start that many messages before the end, as the hub takes it in a query (PROTOCOL.md §5.3). */
export const lastOf = (count: number): string => `last=${count}`;

/** Returns the number of messages of a start before the end; undefined for every other start. */
export function countOf(start: string): number | undefined {
  const [, count] = /^last=(\d+)$/.exec(start) ?? [];
  return count === undefined ? undefined : Number(count);
}

/** The start at the newest message of each key of a keyed channel (PROTOCOL.md §5.4). */
export const LATEST = 'latest';

/** True for `latest` and `last=N`: only the hub knows where they begin, and says so. */
export const isSaidByHub = (start: string): boolean => start === LATEST || countOf(start) !== undefined;

/** True for `-1`, `now`, `latest` and `last=N`, which are not yet positions in a channel. */
export const isUnsettled = (offset: string): boolean =>
  offset === '-1' || offset === 'now' || isSaidByHub(offset);

/** A batch that came in one WebSocket message. */
export interface Frame extends Batch {
  /** True if the messages are too large for a socket. They must be read over HTTP. */
  readonly omitted: boolean;
  /** True if messages were skipped that newer ones of the same key have replaced. */
  readonly isConflated: boolean;
  /** The subscribed pattern. Undefined if the channel itself is subscribed. */
  readonly pattern: string | undefined;
}

/**
 * `next`: the batch follows the cursor, deliver it. `end`: its messages came before, and the channel is closed. `old`:
 * it came before, drop it. `gap`: messages before it, or in it, are missing.
 */
export type GapDecision = 'next' | 'end' | 'old' | 'gap';

type Span = Pick<Frame, 'from' | 'next' | 'closed'> & { readonly omitted?: boolean };

/** Decides by the offset up to which everything was delivered. Offsets compare as text (PROTOCOL.md §3). */
export function decideByOffset(mine: string, { from, next, closed, omitted = false }: Span): GapDecision {
  if (closed && !omitted && next === mine) return 'end';
  if (from === mine && !omitted) return 'next';
  return next <= mine ? 'old' : 'gap';
}

/** The position up to which one channel is delivered. */
export interface Cursor {
  /** The name of the channel. */
  readonly channel: string;
  /** Everything before this offset was delivered. */
  readonly offset: string;
  /** Replaces `-1`, `now`, `latest` or `last=N` by the offset that the hub answered. Does nothing if the position is known already. */
  readonly settle: (offset: string) => void;
  /**
   * Delivers the batch if it follows. Delivers nothing after the end of the channel, or after the signal is aborted.
   */
  readonly offer: (batch: Batch | Frame) => GapDecision;
}

/** The start of a cursor, and its callbacks. */
export interface CursorOptions {
  /** The name of the channel. */
  readonly channel: string;
  /** An offset, `-1`, `now`, `latest` or `last=N`. */
  readonly offset: string;
  /** Aborted when the subscription ends. */
  readonly signal: AbortSignal;
  /** Receives each batch once, in order. Empty batches are not delivered, except the last one of a closed channel. */
  readonly deliver: (batch: Batch) => void;
  /** Called once, when the hub has answered for the first time where the reading begins. */
  readonly onBegin?: () => void;
  /** Called after the last batch of a closed channel. */
  readonly onEnd: () => void;
}

/** Returns a cursor that begins at `offset`. */
export function cursorAt({ channel, offset: start, signal, deliver, onBegin, onEnd }: CursorOptions): Cursor {
  let offset = start;
  let isOver = false;
  let hasBegun = false;
  const begin = (): void => {
    if (hasBegun) return;
    hasBegun = true;
    onBegin?.();
  };
  return {
    channel,
    get offset() {
      return offset;
    },
    settle(at) {
      if (isOver || signal.aborted) return;
      if (isUnsettled(offset)) offset = at;
      begin();
    },
    offer(batch) {
      if (isOver || signal.aborted) return 'old';
      const decision = decideByOffset(offset, batch);
      if (decision !== 'next' && decision !== 'end') return decision;
      if (decision === 'next' && !isAhead(offset, batch)) return 'old';
      const { encoding, next, closed } = batch;
      const from = offset;
      const messages = decision === 'end' ? [] : batch.messages;
      offset = next;
      isOver = closed;
      begin();
      if (messages.length > 0 || closed) deliver({ channel, messages, encoding, from, next, closed });
      if (closed) onEnd();
      return decision;
    },
  };
}

/**
 * False if `next` is not after the cursor. Such a batch would be delivered again and again. The hub never sends one.
 */
const isAhead = (mine: string, { next, messages }: Batch): boolean =>
  isUnsettled(mine) || next > mine || (next === mine && messages.length === 0);

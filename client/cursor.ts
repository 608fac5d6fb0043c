/**
 * Batches: what a subscriber gets, whichever way it came.
 * @module
 */
/**
 * The gap rule of PROTOCOL.md §12.3, as a function of two offsets and a frame.
 * @module
 */
/**
 * The cursor of one channel: the one place that decides what is delivered, so that several ways of reading may run at
 * once, while one takes over from another, and no message is lost or doubled.
 * @module
 */

/** Messages of one channel that follow each other. */
export interface Batch {
  readonly channel: string;
  /**
   * Parsed JSON values, one for each message. On channels of another content type strings: one for each message over a
   * WebSocket and on a stream, but what was read at once in one string over HTTP, where bytes simply follow each other
   * (PROTOCOL.md §5).
   */
  readonly messages: readonly unknown[];
  /** What the messages are: parsed JSON, text (of `text/*`), or the base64 of any other type. */
  readonly encoding: 'json' | 'text' | 'base64';
  /** The offset that they follow; `-1` or `now` if that is how the reading began. */
  readonly from: string;
  /** The offset after them: store it with what they caused, and come again with it. */
  readonly next: string;
  /** True if this is the end of a channel that is closed for good; the subscription is over then. */
  readonly closed: boolean;
}

/** True for `-1` and `now`: where reading begins, but no place in a channel yet. */
export const isUnsettled = (offset: string): boolean => offset === '-1' || offset === 'now';

/** A batch as a socket brings it. */
export interface Frame extends Batch {
  /** True if its messages are too large for a socket and must be read over HTTP. */
  readonly omitted: boolean;
  /** What was subscribed, if that is not the channel itself. */
  readonly pattern: string | undefined;
}

/**
 * `next`: it follows, take it. `end`: its messages came before, but it says that nothing more will. `old`: it came
 * before, drop it. `gap`: something before it, or in it, is missing.
 */
export type GapDecision = 'next' | 'end' | 'old' | 'gap';

type Span = Pick<Frame, 'from' | 'next' | 'closed'> & { readonly omitted?: boolean };

/** Judges what came by the offset up to which everything was taken. Offsets compare as text (PROTOCOL.md §3). */
export function decideByOffset(mine: string, { from, next, closed, omitted = false }: Span): GapDecision {
  if (closed && !omitted && next === mine) return 'end';
  if (from === mine && !omitted) return 'next';
  return next <= mine ? 'old' : 'gap';
}

export interface Cursor {
  readonly channel: string;
  /** Everything before it was delivered. */
  readonly offset: string;
  /** Says where `-1` or `now` turned out to be; does nothing once that is known. */
  readonly settle: (offset: string) => void;
  /** Delivers the batch if it follows; nothing is delivered after the end, or once the signal is aborted. */
  readonly offer: (batch: Batch | Frame) => GapDecision;
}

export interface CursorOptions {
  readonly channel: string;
  readonly offset: string;
  readonly signal: AbortSignal;
  readonly deliver: (batch: Batch) => void;
  /** Called once, when the hub has answered for the first time where reading begins. */
  readonly onBegin?: () => void;
  /** Called after the last batch of a closed channel. */
  readonly onEnd: () => void;
}

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
      const verdict = decideByOffset(offset, batch);
      if (verdict !== 'next' && verdict !== 'end') return verdict;
      if (verdict === 'next' && !isAhead(offset, batch)) return 'old';
      const { encoding, next, closed } = batch;
      const from = offset;
      const messages = verdict === 'end' ? [] : batch.messages;
      offset = next;
      isOver = closed;
      begin();
      if (messages.length > 0 || closed) deliver({ channel, messages, encoding, from, next, closed });
      if (closed) onEnd();
      return verdict;
    },
  };
}

/** False for what would be delivered again and again, since it ends where it begins, or before. No hub says that. */
const isAhead = (mine: string, { next, messages }: Batch): boolean =>
  isUnsettled(mine) || next > mine || (next === mine && messages.length === 0);

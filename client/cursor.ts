/**
 * The cursor of one channel: the one place that decides what is delivered, so that several ways of reading may run at
 * once, while one takes over from another, and no message is lost or doubled.
 * @module
 */
import { type Batch, isUnsettled } from './batch.ts';
import { decideByOffset, type Frame, type GapDecision } from './gap-rule.ts';

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

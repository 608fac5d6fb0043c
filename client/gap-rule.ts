/**
 * The gap rule of PROTOCOL.md §12.3, as a function of two offsets and a frame.
 * @module
 */
import type { Batch } from './batch.ts';

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

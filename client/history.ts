/**
 * The history of a channel, backwards (PROTOCOL.md §5.3).
 * @module
 */
import { parseOffset } from '../protocol/offset.ts';
import type { Batch } from './cursor.ts';
import { asTidingsError, isLasting, TidingsError } from './errors.ts';
import type { Page } from './page.ts';
import { checkCount, checkNames, type Shared } from './subscription.ts';
import { retryWait } from './timers.ts';

type Source = Pick<Shared, 'host' | 'pages' | 'budget' | 'signal'>;

/**
 * Yields batches from an offset back to the oldest message that is kept. It reads a page when the loop asks for one.
 * @param before an offset, or `now`
 * @param limit messages in a batch, 1 to 1,000
 * @throws TidingsError a refusal of the hub, or `unavailable` if the client is closed
 */
export async function* historyOf(
  source: Source,
  channel: string,
  before: string,
  limit: number,
): AsyncIterableIterator<Batch, undefined> {
  checkNames(channel, before);
  if (before !== 'now' && !parseOffset(before))
    throw new TidingsError('bad_offset', `a history ends at an offset or now, got "${before}"`);
  checkCount('limit', limit);
  for (let end = before; ; ) {
    const { batch, isStartOfHistory } = await readAgain(source, channel, end, limit);
    if (batch.messages.length > 0) yield batch;
    if (isStartOfHistory) return undefined;
    end = batch.from;
  }
}

/** Reads a page, again while the hub is busy or cannot be reached. */
async function readAgain(
  { host, pages, budget, signal }: Source,
  channel: string,
  offset: string,
  limit: number,
): Promise<Page> {
  for (let failures = 0; ; failures++) {
    if (signal.aborted) throw new TidingsError('unavailable', 'the client is closed');
    try {
      const page = await pages.read({ channel, offset, limit }, signal);
      budget.answered(failures > 0);
      return page;
    } catch (error) {
      const trouble = asTidingsError(error);
      if (isLasting(trouble, false)) throw trouble;
      await budget.wait(retryWait(failures, host.random(), trouble.retryAfterMs), signal);
    }
  }
}

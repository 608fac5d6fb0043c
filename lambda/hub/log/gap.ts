/**
 * Gaps: slots that were claimed and never written (PROTOCOL.md §4.2).
 * @module
 */
import type { Channel } from './channel.ts';
import { type Entry, tombstone } from './entry.ts';
import type { Log } from './log-ports.ts';

/**
 * Seals the gap at `slot`, once an entry beyond it shows that its publisher has had its time. Either the tombstone or
 * the late publisher wins the slot, and a publisher that lost answers 503: a message is acknowledged only if readers
 * will see it.
 */
export async function seal(
  log: Log,
  channel: Channel,
  slot: number,
  beyond: Pick<Entry, 'time' | 'expiresAt'>,
): Promise<void> {
  await log.entries.put(channel.streamId, tombstone(slot, beyond));
}

/**
 * Empty slots: claimed and not yet written, claimed and never written, or dropped with age (PROTOCOL.md §4.2).
 * @module
 */
import { GAP_GRACE_MS } from '../../protocol/limits.ts';
import type { Channel } from './channel.ts';
import { type Entry, tombstone } from './entry.ts';
import type { Log } from './ports.ts';

/** True while a publish that claimed the last slot may still be about to write it. */
export function inFlight(channel: Channel, now: number): boolean {
  return channel.next > 0 && now - channel.claimedAt <= GAP_GRACE_MS;
}

/**
 * Tells an empty slot that was never written from one whose entry was dropped with age. Entries leave in the order
 * they came, so a slot whose predecessor (for the first ones: the channel's creation) is still kept is a hole. The
 * exception is a retention that was shortened in between: then the successor leaves first, and saying "dropped" is the
 * safe side, because it is announced.
 * @param beyond the nearest entry that is kept after the slot, if any
 */
export async function isHole(
  log: Log,
  channel: Channel,
  slot: number,
  beyond: Entry | undefined,
  now: number,
): Promise<boolean> {
  const predecessor = await log.entries.nearest(channel.streamId, slot, 'below');
  const kept = predecessor?.expiresAt ?? channel.keptUntil;
  const shortened = beyond !== undefined && beyond.expiresAt < kept - GAP_GRACE_MS;
  if (kept > now && !shortened) return true;
  return slot === channel.next - 1 && inFlight(channel, now);
}

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

/** The first slot whose entry is still kept, by bisection: entries leave in the order they came. */
export async function oldestKept(log: Log, channel: Channel, now: number): Promise<number> {
  let dropped = 0;
  let kept = channel.next;
  while (dropped < kept) {
    const middle = Math.floor((dropped + kept) / 2);
    const entry = await log.entries.nearest(channel.streamId, middle, 'from');
    if (entry && entry.expiresAt <= now) dropped = entry.slot + 1;
    else kept = middle;
  }
  return kept;
}

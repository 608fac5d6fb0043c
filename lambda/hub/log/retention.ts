/**
 * Retention: tells an entry that has left the log with age from one that was never written (PROTOCOL.md §3, §4.2).
 *
 * Both leave an empty slot. A reader that confused them would lose a message, or wait for one that never comes. So a channel has
 * epochs. (The epoch of a producer is another thing, see producer.ts.) An epoch begins with the channel, and with the first claim
 * after a silence in which everything before must have left the log. From the first slot of an epoch on, nothing leaves the log for
 * a whole retention. Within that time every empty slot is a hole: its entry was never written. After that time, an empty slot is a
 * hole if the entry before it is retained, since entries leave in the order of their slots. A slot whose publisher may still be at
 * work always has such an entry before it, because a silence that is long enough to lose that entry begins a new epoch.
 * @module
 */
import { LATEST_WRITE_MS } from '../../../protocol/limits.ts';
import type { Channel } from './channel.ts';
import type { Age, Log } from './log-ports.ts';

/** Returns true if the entry is kept, both by the retention when it was written and by the present one. */
export function isRetained(log: Pick<Log, 'retentionMs'>, { time, expiresAt }: Age, now: number): boolean {
  return Math.min(expiresAt, time + log.retentionMs) > now;
}

/** Returns true while no entry of the epoch can have left the log. */
export function nothingHasLeft(
  log: Pick<Log, 'retentionMs'>,
  { floorAt, keptUntil }: Channel,
  now: number,
): boolean {
  return Math.min(keptUntil, floorAt + log.retentionMs) > now;
}

/** Returns true if the channel has been silent for so long that an epoch must begin before the next claim. */
export function isSilent(log: Log, channel: Channel, now: number): boolean {
  return channel.claimedAt <= silentSince(log, now);
}

/** Returns the time, in milliseconds since 1970, after which a channel must have had a claim in order not to be silent. */
export function silentSince(log: Log, now: number): number {
  return now - log.retentionMs + LATEST_WRITE_MS;
}

/** Returns true for an empty slot that was never written; false if its entry has left the log with age. */
export async function isHole(
  log: Pick<Log, 'entries' | 'retentionMs'>,
  channel: Channel,
  slot: number,
  now: number,
): Promise<boolean> {
  if (slot < channel.floor) return false;
  if (nothingHasLeft(log, channel, now)) return true;
  const predecessor = await log.entries.nearest(channel.streamId, slot, 'below');
  return predecessor !== undefined && isRetained(log, predecessor, now);
}

/** Returns the first slot whose entry is retained, by bisection: entries leave the log in the order of their slots. */
export async function oldestRetained(log: Log, channel: Channel, now: number): Promise<number> {
  let low = channel.floor;
  let high = channel.next;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const entry = await log.entries.nearest(channel.streamId, middle, 'from');
    if (entry && !isRetained(log, entry, now)) low = entry.slot + 1;
    else high = middle;
  }
  return high;
}

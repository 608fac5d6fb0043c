/**
 * What has left the log with age, and what was never in it (PROTOCOL.md §3, §4.2).
 *
 * An empty slot is one or the other, and to confuse them is to lose a message or to wait for one that will never come.
 * So a channel has eras. An era begins with the channel, and with the first claim after so long a silence that
 * everything before must have left; from its floor on nothing leaves for a whole retention. Within that time every
 * empty slot is a hole. After it, an empty slot is a hole if its predecessor is still kept, since entries leave in the
 * order they came; and whatever was claimed too recently for its publisher to have given up has such a predecessor,
 * because a silence long enough to lose it begins a new era.
 * @module
 */
import { LATEST_WRITE_MS } from '../../../protocol/limits.ts';
import type { Channel } from './channel.ts';
import type { Age, Log } from './log-ports.ts';

/** The entry still counts, both by the retention when it was written and by today's. */
export function isRetained(log: Pick<Log, 'retentionMs'>, { time, expiresAt }: Age, now: number): boolean {
  return Math.min(expiresAt, time + log.retentionMs) > now;
}

/** True while nothing that the era of the channel brought can have left the log. */
export function nothingHasLeft(
  log: Pick<Log, 'retentionMs'>,
  { floorAt, keptUntil }: Channel,
  now: number,
): boolean {
  return Math.min(keptUntil, floorAt + log.retentionMs) > now;
}

/** True if the channel has been silent for so long that its next claim must begin an era. */
export function isSilent(log: Log, channel: Channel, now: number): boolean {
  return channel.claimedAt <= silentSince(log, now);
}

/** A channel whose last claim is not after this time is silent. */
export function silentSince(log: Log, now: number): number {
  return now - log.retentionMs + LATEST_WRITE_MS;
}

/** Tells an empty slot that was never written from one whose entry has left with age. */
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

/** The first slot whose entry is still kept, by bisection: entries leave in the order they came. */
export async function oldestRetained(log: Log, channel: Channel, now: number): Promise<number> {
  let dropped = channel.floor;
  let kept = channel.next;
  while (dropped < kept) {
    const middle = Math.floor((dropped + kept) / 2);
    const entry = await log.entries.nearest(channel.streamId, middle, 'from');
    if (entry && !isRetained(log, entry, now)) dropped = entry.slot + 1;
    else kept = middle;
  }
  return kept;
}

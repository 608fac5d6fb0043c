/**
 * Where a subscription to a pattern begins in a channel that nobody was pushed before: what is published after a
 * moment is owed, and the channel knows moments only by its entries.
 * @module
 */
import type { Position } from '../../../protocol/offset.ts';
import type { Channel } from '../log/channel.ts';
import type { Log } from '../log/log-ports.ts';

/** Clocks of different machines differ by milliseconds; two seconds are said of it in PROTOCOL.md §12.4. */
export const CLOCK_SKEW_MS = 2_000;

/** A position that everything published since then is behind, and little else. */
export async function startSince(log: Log, channel: Channel, since: number): Promise<Position> {
  const isOlder = async (slot: number): Promise<boolean> => {
    const entry = await log.entries.nearest(channel.streamId, slot, 'from');
    return entry !== undefined && entry.time < since - CLOCK_SKEW_MS;
  };
  // Back from the end in growing steps, since little has usually been published: then by halves.
  let young = channel.next;
  let old = channel.floor - 1;
  for (let step = 1; young - step > old; step *= 2) {
    const slot = young - step;
    if (await isOlder(slot)) old = slot;
    else young = slot;
  }
  while (young - old > 1) {
    const middle = Math.floor((young + old) / 2);
    if (await isOlder(middle)) old = middle;
    else young = middle;
  }
  return { entry: young, index: 0 };
}

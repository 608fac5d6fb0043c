/**
 * Finds the messages that were published since a time: where a subscription begins in a channel that was not pushed to it before, and
 * where a read from a time begins (PROTOCOL.md §5.3). A channel knows times only by its entries.
 * @module
 */
import type { Position } from '../../../protocol/offset.ts';
import type { Channel } from './channel.ts';
import type { Log } from './log-ports.ts';

/** In milliseconds. Clocks of different machines differ by milliseconds; PROTOCOL.md §12.4 allows two seconds. */
export const CLOCK_SKEW_MS = 2_000;

/**
 * Returns a position that has everything after it that was published since a time, and little else.
 * @param since milliseconds since 1970
 */
export async function startSince(log: Log, channel: Channel, since: number): Promise<Position> {
  const isOlder = async (slot: number): Promise<boolean> => {
    const entry = await log.entries.nearest(channel.streamId, slot, 'from');
    return entry !== undefined && entry.time < since - CLOCK_SKEW_MS;
  };
  // Back from the end in growing steps, since usually little has been published; then by halves.
  let newer = channel.next;
  let older = channel.floor - 1;
  for (let step = 1; newer - step > older; step *= 2) {
    const slot = newer - step;
    if (await isOlder(slot)) older = slot;
    else newer = slot;
  }
  while (newer - older > 1) {
    const middle = Math.floor((newer + older) / 2);
    if (await isOlder(middle)) older = middle;
    else newer = middle;
  }
  return { entry: newer, index: 0 };
}

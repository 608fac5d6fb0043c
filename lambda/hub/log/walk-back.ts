/**
 * Walks back through the log from a position: for reads of the last messages, and of those before an offset (PROTOCOL.md §5.3).
 * @module
 */
import type { Position } from '../../../protocol/offset.ts';
import type { Channel } from './channel.ts';
import type { Entry } from './entry.ts';
import type { Log } from './log-ports.ts';
import { isRetained } from './retention.ts';

/** The messages that were found below a position. */
export interface Walked {
  /** The entries that are kept, in the order of the log. Slots may be missing between them: gaps (PROTOCOL.md §4.2). */
  readonly entries: readonly Entry[];
  /** Position of the first message. */
  readonly start: Position;
  /** True if nothing older is kept. */
  readonly isAll: boolean;
}

/**
 * Finds the `count` messages that end at `end`. If one page of the store does not have them, because they have more than about 1 MB
 * together, it finds fewer. It reads another page only for tombstones, which have no message.
 * @param count at least 1
 * @param now milliseconds since 1970
 */
export async function walkBack(
  log: Log,
  channel: Channel,
  end: Position,
  count: number,
  now: number,
): Promise<Walked> {
  let entries: Entry[] = [];
  let messages = 0;
  let below = end.index > 0 ? end.entry + 1 : end.entry;
  for (;;) {
    const most = count - messages;
    const page = await log.entries.before(channel.streamId, below, most);
    for (const entry of page.entries) {
      if (entry.slot < channel.floor || !isRetained(log, entry, now)) return walked(entries, end, true);
      entries = [entry, ...entries];
      messages += entry.slot === end.entry ? end.index : entry.messages.length;
      if (messages >= count)
        return { entries, start: { entry: entry.slot, index: messages - count }, isAll: false };
    }
    if (!page.more) return walked(entries, end, true);
    const isFull = page.entries.length < most;
    if (isFull && messages > 0) return walked(entries, end, false);
    below = entries[0]?.slot ?? below;
  }
}

const walked = (entries: readonly Entry[], end: Position, isAll: boolean): Walked => ({
  entries,
  start: entries[0] ? { entry: entries[0].slot, index: 0 } : end,
  isAll,
});

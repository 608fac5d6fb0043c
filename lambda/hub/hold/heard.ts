/**
 * What a process has heard of a channel, and whether it answers a request that waits.
 *
 * The log is the truth. Heard entries answer a request only if they are exactly what a read would return: they begin in the slot that
 * the request waits for, in the same stream, and nothing else was heard. In every other case the request reads the log.
 * @module
 */
import { type Channel, isAlive } from '../log/channel.ts';
import type { Log } from '../log/log-ports.ts';
import type { NewEntry, News } from './news.ts';

/** What a request has read, or was answered, before it waits. */
export interface Seen {
  /** The channel as it was then. */
  readonly channel: Channel;
  /** The slot of the entry for which the request waits. */
  readonly slot: number;
  /** `Wake.mark` before that read. */
  readonly mark: number;
}

/** What was heard, with its number. Numbers count everything that the process hears. */
export interface Heard {
  /** Number of the news, from 1 on. */
  readonly number: number;
  /** The news. */
  readonly news: News;
}

/** The entries that answer a request: at least one. */
export interface HeardAnswer {
  /** The entries, in the order of the log. */
  readonly entries: readonly NewEntry[];
  /** The number up to which the answer has all that was heard. */
  readonly mark: number;
}

/**
 * The age up to which an entry answers a request, in milliseconds. Older news comes from a push that is late. Its reader must not be
 * as late, and reads all that has come since. The channel may also have been deleted since.
 */
const FRESH_MS = 5_000;

/** Returns what answers the request: entries, or the log; or that all that was heard is old, and the request goes on waiting. */
export function answerFrom(
  log: Pick<Log, 'clock'>,
  { channel, slot, mark }: Seen,
  heard: readonly Heard[],
): HeardAnswer | 'the log' | 'nothing yet' {
  const entries: NewEntry[] = [];
  let last = mark;
  for (const { number, news } of heard) {
    if (number <= mark) continue;
    last = number;
    const next = slot + entries.length;
    if (news.next <= next && (channel.closed || !news.isClosing)) continue;
    const { entry } = news;
    if (entry?.slot !== next || news.isClosing || !isAnswer(log, channel, entry)) return 'the log';
    entries.push(entry);
  }
  return entries.length > 0 ? { entries, mark: last } : 'nothing yet';
}

/**
 * Returns true if a read would return the entry, and nothing after it. Slots that were claimed after it when the request read the
 * channel may have been written first, and acknowledged. A channel with a TTL stays alive by reads, so it is read.
 */
function isAnswer(log: Pick<Log, 'clock'>, channel: Channel, { streamId, slot, time }: NewEntry): boolean {
  const now = log.clock();
  return (
    streamId === channel.streamId &&
    channel.next <= slot + 1 &&
    channel.ttlSeconds === undefined &&
    isAlive(channel, now) &&
    now - time <= FRESH_MS
  );
}

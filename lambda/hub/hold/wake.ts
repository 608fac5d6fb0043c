/**
 * A wake by push: a socket from this process to the hub itself, on which the push says that a channel has grown, and by which entry.
 * All requests that wait in this process share it. Without such a socket, readers are woken by re-reading.
 * @module
 */
import { isBusy, type LogDefect } from '../defects.ts';
import type { Channel } from '../log/channel.ts';
import type { Log } from '../log/log-ports.ts';
import type { WaitStore } from '../push/push-ports.ts';
import { answerFrom, type Heard, type Seen } from './heard.ts';
import { hasChanged, type Timer, type Wake } from './held-read.ts';
import type { News } from './news.ts';

/** The wake socket. All held requests of a process share it. */
export interface WakeSocket {
  /** Returns its connection id while it is open and known to be alive. Otherwise the call opens or checks it. */
  connection(): string | undefined;
  /** Calls back for each news. */
  listen(hear: (news: News) => void): void;
}

/** Everything that a wake by push needs. */
export interface WakeOptions {
  /** The log with the channels, and the clock of the rows. */
  readonly log: Pick<Log, 'channels' | 'clock'>;
  /** The store of waiting processes. */
  readonly waits: Pick<WaitStore, 'shownForMs' | 'show'>;
  /** The timer of the wait. */
  readonly timer: Timer;
  /** The wake socket of this process. */
  readonly wakeSocket: WakeSocket;
  /** Wakes the readers while there is no socket. */
  readonly fallback: Wake;
  /** Reports a fault of the hub itself. */
  readonly logDefect: LogDefect;
}

/** One row of the store of waits, from its write on. */
interface Row {
  readonly connection: string;
  /** Time until which it need not be written again, by the timer. */
  readonly until: number;
  readonly written: Promise<void>;
  isWritten: boolean;
}

/** A request that waits. */
interface Waiter {
  /** Is aborted by the next news. */
  woken: AbortController;
}

interface Watch {
  readonly waiters: Set<Waiter>;
  row: Row | undefined;
  /** The last news, in the order in which it came. */
  heard: readonly Heard[];
}

/**
 * News of one channel that a process remembers, for requests that are writing to a slow client. A request that misses more reads the
 * log. With frames of up to 32 KB this is 512 KB for each channel.
 */
const MOST_HEARD = 16;

/** Returns a wake that ends when the push says that the channel has grown. */
export function pushed({ log, waits, timer, wakeSocket, fallback, logDefect }: WakeOptions): Wake {
  const watches = new Map<string, Watch>();
  const logOnce = loggingOnce(logDefect);
  let count = 0;
  wakeSocket.listen((news) => {
    const number = ++count;
    const watch = watches.get(news.channel);
    if (!watch) return;
    watch.heard = [...watch.heard, { number, news }].slice(-MOST_HEARD);
    for (const { woken } of watch.waiters) woken.abort();
  });
  return {
    mark: () => count,
    async wait(seen, ms, signal) {
      const connection = wakeSocket.connection();
      if (connection === undefined) return await fallback.wait(seen, ms, signal);
      forgetIdle(watches, timer.now());
      const { name } = seen.channel;
      const watch = watches.get(name) ?? newWatch();
      watches.set(name, watch);
      const end = timer.now() + ms;
      const waiter: Waiter = { woken: new AbortController() };
      // Before the row is written: what is heard from then on is for this waiter, too.
      watch.waiters.add(waiter);
      try {
        if (!(await show({ log, waits, timer }, watch, seen.channel, connection))) return undefined;
        return await answerOf({ log, timer }, watch, seen, end, waiter, signal);
      } catch (error) {
        // The reader gets its messages by the other way. A table that is busy needs nobody's attention, a defect does.
        if (!isBusy(error)) logOnce(error, name);
        const either = AbortSignal.any([signal, waiter.woken.signal]);
        return await fallback.wait(seen, Math.max(0, end - timer.now()), either);
      } finally {
        watch.waiters.delete(waiter);
      }
    },
  };
}

/** Returns a function that logs a defect. All waiters that share a write get the same error, which is logged once. */
function loggingOnce(logDefect: LogDefect): (defect: unknown, channel: string) => void {
  let last: unknown;
  return (defect, channel) => {
    if (defect === last) return;
    last = defect;
    logDefect(defect, { waiting: channel });
  };
}

type Showing = Pick<WakeOptions, 'log' | 'waits' | 'timer'>;

/** Makes sure that this process is shown as waiting. Returns false if the channel has changed before. */
async function show(parts: Showing, watch: Watch, seen: Channel, connection: string): Promise<boolean> {
  const { row } = watch;
  const isShown = row?.connection === connection && parts.timer.now() < row.until;
  const current = isShown ? row : writeRow(parts, seen, connection);
  watch.row = current;
  if (current.isWritten) return true;
  await current.written;
  return !hasChanged(seen, await parts.log.channels.get(seen.name));
}

/** Begins to write the row, well before the earlier one ends: the push may read it at any moment. */
function writeRow({ log, waits, timer }: Showing, seen: Channel, connection: string): Row {
  const written = waits.show(seen.name, connection, log.clock());
  const row = { connection, until: timer.now() + waits.shownForMs / 2, written, isWritten: false };
  written.then(
    () => {
      row.isWritten = true;
    },
    () => {
      row.until = 0;
    },
  );
  return row;
}

/** Returns the answer to a request when there is one, within the time; undefined if it has to read the log. */
async function answerOf(
  { log, timer }: Pick<WakeOptions, 'log' | 'timer'>,
  watch: Watch,
  seen: Seen,
  until: number,
  waiter: Waiter,
  signal: AbortSignal,
) {
  for (;;) {
    waiter.woken = new AbortController();
    const answer = answerFrom(log, seen, watch.heard);
    if (typeof answer === 'object') return answer;
    const left = until - timer.now();
    if (answer === 'the log' || left <= 0 || signal.aborted) return undefined;
    await timer.sleep(left, AbortSignal.any([signal, waiter.woken.signal]));
  }
}

const newWatch = (): Watch => ({ waiters: new Set(), row: undefined, heard: [] });

function forgetIdle(watches: Map<string, Watch>, now: number): void {
  for (const [channel, { waiters, row }] of watches)
    if (waiters.size === 0 && (row?.until ?? 0) < now) watches.delete(channel);
}

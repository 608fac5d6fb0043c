/**
 * A wake by push: a socket from this process to the hub itself, on which the push says that a channel has grown. All requests that
 * wait in this process share it. Without such a socket, readers are woken by re-reading.
 * @module
 */
import { isBusy, type LogDefect } from '../defects.ts';
import type { Channel } from '../log/channel.ts';
import type { Log } from '../log/log-ports.ts';
import type { WaitStore } from '../push/push-ports.ts';
import { hasChanged, type Timer, type Wake } from './held-read.ts';

/** The wake socket. All held requests of a process share it. */
export interface WakeSocket {
  /** Returns its connection id while it is open and known to be alive. Otherwise the call opens or checks it. */
  connection(): string | undefined;
  /** Calls back for each announcement: a channel, and the slot of its next entry. */
  listen(heard: (channel: string, next: number) => void): void;
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

interface Watch {
  readonly waiters: Set<() => void>;
  row: Row | undefined;
  /** The slot of the latest announcement, which a waiter that came later has not seen; 0 for none. */
  latest: number;
}

/** Returns a wake that ends when the push says that the channel has grown. */
export function pushed({ log, waits, timer, wakeSocket, fallback, logDefect }: WakeOptions): Wake {
  const watches = new Map<string, Watch>();
  let lastDefect: unknown;
  wakeSocket.listen((channel, next) => {
    const watch = watches.get(channel);
    if (!watch) return;
    watch.latest = next;
    for (const wake of watch.waiters) wake();
  });

  /** Logs a defect. All waiters that share a write get the same error, which is logged once. */
  function logOnce(defect: unknown, channel: string): void {
    if (defect === lastDefect) return;
    lastDefect = defect;
    logDefect(defect, { waiting: channel });
  }

  /** Writes the row well before the earlier one ends: the push may read it at any moment. */
  function begin(seen: Channel, connection: string): Row {
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

  /** Makes sure that this process is shown as waiting. Returns false if the channel has changed before. */
  async function show(watch: Watch, seen: Channel, connection: string): Promise<boolean> {
    const { row } = watch;
    const isShown = row?.connection === connection && timer.now() < row.until;
    const current = isShown ? row : begin(seen, connection);
    watch.row = current;
    if (current.isWritten) return true;
    await current.written;
    return !hasChanged(seen, await log.channels.get(seen.name));
  }

  return {
    async wait(seen, ms, signal) {
      const connection = wakeSocket.connection();
      if (connection === undefined) return await fallback.wait(seen, ms, signal);
      forgetIdle(watches, timer.now());
      const watch = watches.get(seen.name) ?? newWatch();
      watches.set(seen.name, watch);
      const end = timer.now() + ms;
      const woken = new AbortController();
      const wake = (): void => woken.abort();
      // Before the row is written: an announcement that comes from then on wakes this waiter, too.
      watch.waiters.add(wake);
      try {
        if (watch.latest > seen.next) {
          watch.latest = 0;
          return;
        }
        if (!(await show(watch, seen, connection))) return;
        await timer.sleep(Math.max(0, end - timer.now()), AbortSignal.any([signal, woken.signal]));
      } catch (error) {
        // The reader gets its messages by the other way. A table that is busy needs nobody's attention, a defect does.
        if (!isBusy(error)) logOnce(error, seen.name);
        await fallback.wait(seen, Math.max(0, end - timer.now()), AbortSignal.any([signal, woken.signal]));
      } finally {
        watch.waiters.delete(wake);
      }
    },
  };
}

const newWatch = (): Watch => ({ waiters: new Set(), row: undefined, latest: 0 });

function forgetIdle(watches: Map<string, Watch>, now: number): void {
  for (const [channel, { waiters, row }] of watches)
    if (waiters.size === 0 && (row?.until ?? 0) < now) watches.delete(channel);
}

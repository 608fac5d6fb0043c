/**
 * A wake by push: a socket from this process to the hub itself, on which the push says that a channel has grown. It is
 * shared by all who wait here. Where there is no such socket, readers are woken by re-reading.
 * @module
 */

import { isBusy, type LogDefect } from '../defects.ts';
import type { Channel } from '../log/channel.ts';
import type { Log } from '../log/log-ports.ts';
import type { WaitStore } from '../push/push-ports.ts';
import { hasChanged, type Timer, type Wake } from './held-read.ts';

/** The socket. */
export interface WakeSocket {
  /** Who it is while it is open and known to be alive. While it is not, each call is a reason to open or check it. */
  connection(): string | undefined;
  /** Calls back for each announcement: a channel, and the number of its next entry. */
  listen(heard: (channel: string, next: number) => void): void;
}

export interface WakeOptions {
  readonly log: Pick<Log, 'channels' | 'clock'>;
  readonly waits: Pick<WaitStore, 'shownForMs' | 'show'>;
  readonly timer: Timer;
  readonly wakeSocket: WakeSocket;
  /** Wakes those who wait while the socket is not there. */
  readonly fallback: Wake;
  readonly logDefect: LogDefect;
}

/** One row of the table of subscribers, from when it is asked for. */
interface Showing {
  readonly connection: string;
  /** By the timer. */
  readonly until: number;
  readonly written: Promise<void>;
  isWritten: boolean;
}

interface Watch {
  readonly waiters: Set<() => void>;
  showing: Showing | undefined;
  /** The latest announcement that nobody who came since was told of. */
  latest: number;
}

export function pushed({ log, waits, timer, wakeSocket, fallback, logDefect }: WakeOptions): Wake {
  const watches = new Map<string, Watch>();
  let lastDefect: unknown;
  wakeSocket.listen((channel, next) => {
    const watch = watches.get(channel);
    if (!watch) return;
    watch.latest = next;
    for (const wake of watch.waiters) wake();
  });

  /** Logs a defect. All that share a write get the same error, which is logged for the first of them. */
  function logOnce(defect: unknown, channel: string): void {
    if (defect === lastDefect) return;
    lastDefect = defect;
    logDefect(defect, { waiting: channel });
  }

  /** Shows that this process waits, well before an earlier row ends: whoever pushes may look at any moment. */
  function begin(seen: Channel, connection: string): Showing {
    const written = waits.show(seen.name, connection, log.clock());
    const showing = { connection, until: timer.now() + waits.shownForMs / 2, written, isWritten: false };
    written.then(
      () => {
        showing.isWritten = true;
      },
      () => {
        showing.until = 0;
      },
    );
    return showing;
  }

  /** Makes sure that this process is shown as waiting; false if the channel changed before it was. */
  async function show(watch: Watch, seen: Channel, connection: string): Promise<boolean> {
    const { showing } = watch;
    const isShown = showing?.connection === connection && timer.now() < showing.until;
    const current = isShown ? showing : begin(seen, connection);
    watch.showing = current;
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
      // Before it is shown: what is announced from then on is for this waiter, too.
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

const newWatch = (): Watch => ({ waiters: new Set(), showing: undefined, latest: 0 });

function forgetIdle(watches: Map<string, Watch>, now: number): void {
  for (const [channel, { waiters, showing }] of watches)
    if (waiters.size === 0 && (showing?.until ?? 0) < now) watches.delete(channel);
}

/**
 * A wake by re-reading, for the time without a wake socket. Each channel has one loop in a process, however many requests wait on it.
 * The loop reads only the item of the channel: soon after a request comes, and less often the longer nothing happens.
 * @module
 */
import type { Channel } from '../log/channel.ts';
import type { Log } from '../log/log-ports.ts';
import { hasChanged, type Timer, type Wake } from './held-read.ts';

/** First and longest pause between two looks, in milliseconds. Each pause is 1.5 times as long as the last. */
const FIRST_LOOK_MS = 100;
const SLOWEST_LOOK_MS = 1_000;
const SLOWER = 1.5;

interface Waiter {
  readonly seen: Channel;
  readonly wake: () => void;
}

interface Watch {
  readonly waiters: Set<Waiter>;
  /** Time of the next look, by the timer. A new waiter brings it forward. */
  lookAt: number;
  /** Ends the current pause, to look sooner. */
  pause: AbortController;
}

/** Everything that a wake by re-reading needs. */
export interface RereadOptions {
  /** The log with the channels. */
  readonly log: Pick<Log, 'channels'>;
  /** The timer of the pauses. */
  readonly timer: Timer;
}

/** Returns a wake that reads the channel again and again. */
export function rereading(options: RereadOptions): Wake {
  const { timer } = options;
  const watches = new Map<string, Watch>();
  return {
    mark: () => 0,
    async wait({ channel: seen }, ms, signal) {
      const woken = new AbortController();
      const waiter: Waiter = { seen, wake: () => woken.abort() };
      const watch = watches.get(seen.name) ?? begin(options, watches, seen.name);
      watch.waiters.add(waiter);
      lookSoon(watch, timer);
      await timer.sleep(ms, AbortSignal.any([signal, woken.signal]));
      // The watch goes on until its next look: a reader that reads for itself comes back before that.
      watch.waiters.delete(waiter);
      return undefined;
    },
  };
}

function lookSoon(watch: Watch, timer: Timer): void {
  const soon = timer.now() + FIRST_LOOK_MS;
  if (watch.lookAt <= soon) return;
  watch.lookAt = soon;
  watch.pause.abort();
}

function begin(options: RereadOptions, watches: Map<string, Watch>, name: string): Watch {
  const lookAt = options.timer.now() + FIRST_LOOK_MS;
  const watch: Watch = { waiters: new Set(), lookAt, pause: new AbortController() };
  watches.set(name, watch);
  const end = (): void => {
    watches.delete(name);
    // A look failed, or a waiter came as the loop ended. The waiters read for themselves: what failed here fails for them, and is
    // answered and logged there. Then they wait again.
    for (const { wake } of watch.waiters) wake();
  };
  run(options, watch, name).then(end, end);
  return watch;
}

async function run({ log, timer }: RereadOptions, watch: Watch, name: string): Promise<void> {
  let pause = FIRST_LOOK_MS;
  // The waiter that began the watch is in it before the first pause ends.
  do {
    await untilDue(watch, timer);
    if (watch.waiters.size === 0) return;
    // A waiter that comes during the look brings the next one forward.
    watch.lookAt = Number.POSITIVE_INFINITY;
    const isYoung = wakeIfChanged(watch, await log.channels.get(name));
    pause = isYoung ? FIRST_LOOK_MS : Math.min(pause * SLOWER, SLOWEST_LOOK_MS);
    watch.lookAt = Math.min(watch.lookAt, timer.now() + pause);
  } while (watch.waiters.size > 0);
}

/** Waits until a look is due. */
async function untilDue(watch: Watch, timer: Timer): Promise<void> {
  for (let left = watch.lookAt - timer.now(); left > 0; left = watch.lookAt - timer.now()) {
    watch.pause = new AbortController();
    await timer.sleep(left, watch.pause.signal);
  }
}

/** Wakes the waiters that saw another state of the channel. Returns true if there were any. */
function wakeIfChanged(watch: Watch, now: Channel | undefined): boolean {
  let hasWoken = false;
  for (const waiter of watch.waiters) {
    if (!hasChanged(waiter.seen, now)) continue;
    watch.waiters.delete(waiter);
    waiter.wake();
    hasWoken = true;
  }
  return hasWoken;
}

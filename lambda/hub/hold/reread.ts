/**
 * A wake by re-reading, for where there is no push: one loop per channel and process, however many wait on it. It looks at the channel's item
 * alone, soon after somebody comes and less often the longer nothing happens.
 * @module
 */
import type { Channel } from '../log/channel.ts';
import type { Log } from '../log/log-ports.ts';
import { hasChanged, type Timer, type Wake } from './held-read.ts';

/** Milliseconds before the first look, and between looks at the most; each pause is half as long again as the last. */
const FIRST_LOOK_MS = 100;
const SLOWEST_LOOK_MS = 1_000;
const SLOWER = 1.5;

interface Waiter {
  readonly seen: Channel;
  readonly wake: () => void;
}

interface Watch {
  readonly waiters: Set<Waiter>;
  /** When the next look is due, by the timer; brought forward by whoever comes. */
  lookAt: number;
  /** Ends the current pause, to look sooner. */
  pause: AbortController;
}

export interface RereadOptions {
  readonly log: Pick<Log, 'channels'>;
  readonly timer: Timer;
}

export function rereading(options: RereadOptions): Wake {
  const { timer } = options;
  const watches = new Map<string, Watch>();
  return {
    async wait(seen, ms, signal) {
      const woken = new AbortController();
      const waiter: Waiter = { seen, wake: () => woken.abort() };
      const watch = watches.get(seen.name) ?? begin(options, watches, seen.name);
      watch.waiters.add(waiter);
      lookSoon(watch, timer);
      await timer.sleep(ms, AbortSignal.any([signal, woken.signal]));
      // The watch goes on until its next look is due: a reader that looks for itself comes back before that.
      watch.waiters.delete(waiter);
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
    // A look failed, or somebody came as the loop ended: they read for themselves, and wait anew.
    for (const { wake } of watch.waiters) wake();
  };
  run(options, watch, name).then(end, end);
  return watch;
}

async function run({ log, timer }: RereadOptions, watch: Watch, name: string): Promise<void> {
  let pause = FIRST_LOOK_MS;
  // Whoever began the watch joins it in the same breath, before the first pause ends.
  do {
    await untilDue(watch, timer);
    if (watch.waiters.size === 0) return;
    // Whoever comes during the look brings the next one forward.
    watch.lookAt = Number.POSITIVE_INFINITY;
    const isYoung = wakeIfChanged(watch, await log.channels.get(name));
    pause = isYoung ? FIRST_LOOK_MS : Math.min(pause * SLOWER, SLOWEST_LOOK_MS);
    watch.lookAt = Math.min(watch.lookAt, timer.now() + pause);
  } while (watch.waiters.size > 0);
}

/** Ends when a look is due. */
async function untilDue(watch: Watch, timer: Timer): Promise<void> {
  for (let left = watch.lookAt - timer.now(); left > 0; left = watch.lookAt - timer.now()) {
    watch.pause = new AbortController();
    await timer.sleep(left, watch.pause.signal);
  }
}

/** Wakes those who saw another state of the channel; says whether there were any. */
function wakeIfChanged(watch: Watch, now: Channel | undefined): boolean {
  let woke = false;
  for (const waiter of watch.waiters) {
    if (!hasChanged(waiter.seen, now)) continue;
    watch.waiters.delete(waiter);
    waiter.wake();
    woke = true;
  }
  return woke;
}

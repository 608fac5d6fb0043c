/**
 * Bounds how much work runs at the same time.
 * @module
 */

export interface Semaphore {
  /** Resolves while a slot is free; it may be taken again by the time that the caller goes on. */
  available(): Promise<void>;
  /** Does the work in a slot of its own. Waits until one is free. */
  run(work: () => Promise<void>): Promise<void>;
}

export interface Growth {
  /** Number of slots, at most. */
  readonly most: number;
  /** Milliseconds that all slots are taken, and work waits, before there is one more. */
  readonly everyMs: number;
}

/** Returns `count` free slots. With growth there are more while work waits, and `count` again when fewer are taken. */
export function createSemaphore(
  count: number,
  { most, everyMs }: Growth = { most: count, everyMs: 0 },
): Semaphore {
  let size = count;
  let taken = 0;
  let waiting: (() => void)[] = [];
  let timer: NodeJS.Timeout | undefined;

  function wake(): void {
    clearTimeout(timer);
    timer = undefined;
    const woken = waiting;
    waiting = [];
    for (const go of woken) go();
  }
  function change(): Promise<void> {
    if (size < most) timer ??= setTimeout(grow, everyMs).unref();
    return new Promise((resolve) => waiting.push(resolve));
  }
  function grow(): void {
    size += 1;
    wake();
  }
  return {
    async available() {
      while (taken >= size) await change();
    },
    async run(work) {
      while (taken >= size) await change();
      taken += 1;
      try {
        await work();
      } finally {
        taken -= 1;
        if (taken < count) size = count;
        wake();
      }
    },
  };
}

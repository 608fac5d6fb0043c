/**
 * A semaphore: bounds the work that runs at the same time.
 * @module
 */

/** Bounds the work that runs at the same time. */
export interface Semaphore {
  /** Resolves when a slot is free. Other work may take it before the caller continues. */
  available(): Promise<void>;
  /** Does the work as soon as a slot is free. */
  run(work: () => Promise<void>): Promise<void>;
}

/** The growth of the number of slots while work waits. */
export interface Growth {
  /** Number of slots, at most. */
  readonly most: number;
  /** Time until another slot is added, in milliseconds. */
  readonly everyMs: number;
}

/**
 * Returns a semaphore with `count` free slots. With growth it adds slots while work waits, and has `count` slots again when
 * fewer are taken.
 */
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
  /** Resolves when a slot may be free. With growth that is at the latest when another one is added. */
  function slotFreed(): Promise<void> {
    if (size < most) timer ??= setTimeout(grow, everyMs).unref();
    return new Promise((resolve) => waiting.push(resolve));
  }
  function grow(): void {
    size += 1;
    wake();
  }
  return {
    async available() {
      while (taken >= size) await slotFreed();
    },
    async run(work) {
      while (taken >= size) await slotFreed();
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

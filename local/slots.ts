/**
 * So many at a time.
 * @module
 */

export interface Slots {
  /** Resolves while a slot is free; it may be taken again by the time that the caller goes on. */
  some(): Promise<void>;
  /** Does the work in a slot of its own, and waits for one if it must. */
  run(work: () => Promise<void>): Promise<void>;
}

/** As many slots as `count`, all of them free. */
export function createSlots(count: number): Slots {
  let free = count;
  let waiting: (() => void)[] = [];
  const change = () => new Promise<void>((resolve) => waiting.push(resolve));
  function release(): void {
    free += 1;
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  }
  return {
    async some() {
      while (free === 0) await change();
    },
    async run(work) {
      while (free === 0) await change();
      free -= 1;
      try {
        await work();
      } finally {
        release();
      }
    },
  };
}

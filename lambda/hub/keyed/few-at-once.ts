/**
 * Bounds how many folds a process has under way. Each has up to sixteen pages of the log and the runs that it merges in memory, and a
 * batch may have a thousand channels.
 * @module
 */

/** Runs a piece of work when its turn comes, and returns its result. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

/** Returns a function that has at most `most` pieces of work under way. The others wait, in the order in which they came. */
export function fewAtOnce(most: number): InTurn {
  const waiting: (() => void)[] = [];
  let underWay = 0;
  return async (work) => {
    if (underWay === most) await new Promise<void>((resolve) => waiting.push(resolve));
    else underWay += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      // The one that waits takes the place of this one.
      if (next) next();
      else underWay -= 1;
    }
  };
}

/**
 * Tallies in memory: what they promise in the fewest lines.
 * @module
 */
import type { Counted, TallyStore } from '../../lambda/hub/tally.ts';

export function memoryTally(windowMs: number): TallyStore {
  let taken: { readonly caller: Counted; readonly at: number }[] = [];
  const windowOf = (time: number) => Math.floor(time / windowMs);
  return {
    async take(caller, now, most) {
      taken = taken.filter(({ at }) => windowOf(at) >= windowOf(now) - 1);
      if (taken.filter((one) => one.caller === caller).length >= most) return false;
      taken.push({ caller, at: now });
      return true;
    },
    async giveBack(caller, takenAt) {
      const at = taken.findIndex((one) => one.caller === caller && windowOf(one.at) === windowOf(takenAt));
      if (at >= 0) taken.splice(at, 1);
    },
  };
}

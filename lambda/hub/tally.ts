/**
 * Tallies: how much of something each caller has at a time, so that one alone cannot have all of it (PROTOCOL.md §8).
 *
 * What was taken is given back at its end, as far as anybody is told of that. A process that dies, and the end of a
 * connection that API Gateway does not tell of, must lock nobody out for ever: so the count is kept by windows at least as
 * long as anything that is counted lives, and at the end of each what is left of the one before is forgotten. Until then
 * such a place stays taken: for two windows at the most.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import type { Wake } from './hold.ts';
import type { Clock } from './ports.ts';

/** Who is counted: `sub` of the token; undefined for all together who have none. */
export type Counted = string | undefined;

export interface TallyStore {
  /** Counts one more of the caller, unless he has `most`; says whether it did. */
  take(caller: Counted, now: number, most: number): Promise<boolean>;
  /** Gives back what was taken at that time, as far as it is still counted. */
  giveBack(caller: Counted, takenAt: number): Promise<void>;
}

export interface Seats {
  readonly tally: TallyStore;
  /** How many a caller may have; 0 if nobody is counted. */
  readonly most: number;
  readonly clock: Clock;
}

/** The place of one request that is held. */
export interface Seat {
  /** Takes it, unless it was taken. @throws Refusal too_many_requests, unavailable */
  take(): Promise<void>;
  /** Gives it back, if it was taken. */
  leave(): Promise<void>;
}

export function seatOf({ tally, most, clock }: Seats, caller: Counted): Seat {
  let takenAt: number | undefined;
  return {
    async take() {
      if (most === 0 || takenAt !== undefined) return;
      const now = clock();
      if (!(await tally.take(caller, now, most)))
        throw tooMany(`${most} held requests of this kind at a time`);
      takenAt = now;
    },
    async leave() {
      if (takenAt === undefined) return;
      const at = takenAt;
      // Once: a stream ends by itself and is cancelled at the same moment, and the second is no place of anybody's.
      takenAt = undefined;
      // What the reader waited for is worth more than the count, which forgets this place by itself.
      await tally.giveBack(caller, at).catch(() => {});
    },
  };
}

/** A wake that takes the seat of whoever waits for it: what is answered at once takes none, and costs no write. */
export const fromSeat = (seat: Seat, wake: Wake): Wake => ({
  async wait(seen, ms, signal) {
    await seat.take();
    await wake.wait(seen, ms, signal);
  },
});

export const tooMany = (limit: string): Refusal =>
  new Refusal('too_many_requests', `a caller may have ${limit}, and has them; come again later`);

/**
 * Counts what each caller has at a time, so that one caller cannot have all of it (PROTOCOL.md §8).
 *
 * A seat is booked under a name and for a time, so nothing is added up: a booking that is written twice, or late, is one
 * booking, and taking one back that is not there changes nothing. The end of a process or of a connection may never be
 * told. Such a seat is free when its time is over.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { isBusy, type LogDefect } from '../defects.ts';
import type { Clock, NewId } from '../log/log-ports.ts';
import type { Timer, Wake } from './held-read.ts';

/** The `sub` of a token; undefined for all callers together who have none. */
export type Counted = string | undefined;

/** A seat by name. Times are in milliseconds since 1970. */
export interface Booking {
  readonly id: string;
  readonly since: number;
  /** The seat is free from then on, unless its holder books it for longer. */
  readonly until: number;
}

export interface Quota {
  /** Seats that one caller may have at a time. */
  readonly most: number;
  /** Seats beyond these for a moment, until the oldest have given way; 0 where a caller with `most` seats is refused. */
  readonly over: number;
}

/** A booking and where the store has it. */
export interface StoredBooking {
  readonly caller: Counted;
  readonly booking: Booking;
  readonly row: number;
  /** How many of the bookings in that row may stay. */
  readonly room: number;
}

export interface QuotaStore {
  /** Books a seat. Doing it again is the same booking. Undefined if the caller has all the seats that the quota allows. */
  take(caller: Counted, booking: Booking, quota: Quota, now: number): Promise<StoredBooking | undefined>;
  /** The bookings of the row, as of some moments ago; its own may be missing. */
  look(kept: StoredBooking): Promise<readonly Booking[]>;
  /** Books the same seat for longer. */
  renew(kept: StoredBooking, until: number): Promise<StoredBooking>;
  /** Takes a booking back, if it is there. */
  giveBack(kept: Pick<StoredBooking, 'caller' | 'booking' | 'row'>): Promise<void>;
}

export interface QuotaParts {
  readonly tally: QuotaStore;
  /** Undefined if nobody is counted. */
  readonly quota: Quota | undefined;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly newId: NewId;
  readonly logDefect: LogDefect;
}

/** The seat of one request that is held. */
export interface QuotaSlot {
  /** Takes the seat, unless it was taken. @throws Refusal too_many_requests, unavailable */
  take(): Promise<void>;
  /** Gives the seat back, if it was taken. */
  leave(): Promise<void>;
  /** Is aborted when the caller has taken so many seats since that this one must be given up. */
  readonly lost: AbortSignal;
}

/** For how long a seat is booked, in milliseconds. After a crash nobody is kept out for longer. */
const BOOKED_MS = 60_000;

/** With the millisecond in which it was booked, this many characters tell a seat from the others of its caller. */
const ID_LENGTH = 8;

/** How long before its end a booking is renewed, in milliseconds: several looks, so that one may fail. */
const RENEW_MS = 20_000;

/**
 * When a holder looks whether it must give way, in milliseconds: the fewer newer seats it takes for that, the sooner. So
 * the oldest seats of a caller that opens ten a second are given up in time. A look costs half a read unit. A stream that is
 * alone under a quota of 25 looks every 2.5 s, which is 1 % of the price of the stream.
 */
const LOOK_PER_SEAT_MS = 100;
const SOONEST_LOOK_MS = 250;
const LATEST_LOOK_MS = 5_000;

/** How many seats beyond its quota a caller may have, as a part of the quota, while older ones give way. */
const OVER_PART = 5;

/** A quota under which the oldest seats give way to new ones. @param most 0 if nobody is counted */
export const givingWay = (most: number): Quota | undefined =>
  most === 0 ? undefined : { most, over: Math.ceil(most / OVER_PART) };

/** A quota under which a caller that has all of it is refused. @param most 0 if nobody is counted */
export const refusing = (most: number): Quota | undefined => (most === 0 ? undefined : { most, over: 0 });

/** @param endsAt when the request ends by itself, in milliseconds since 1970 */
export function quotaSlotOf(seats: QuotaParts, caller: Counted, endsAt: number): QuotaSlot {
  const { tally, quota, clock, newId } = seats;
  const left = new AbortController();
  const lost = new AbortController();
  let kept: StoredBooking | undefined;
  return {
    lost: lost.signal,
    async take() {
      if (!quota || kept) return;
      const now = clock();
      const id = newId().slice(0, ID_LENGTH);
      const booking = { id, since: now, until: Math.min(endsAt, now + BOOKED_MS) };
      kept = await tally.take(caller, booking, quota, now);
      if (!kept) throw tooMany(`${quota.most} held requests of this kind at a time`);
      if (quota.over === 0) return;
      void watch(seats, kept, endsAt, left.signal, (renewed) => {
        kept = renewed;
      }).then((isLost) => isLost && lost.abort());
    },
    async leave() {
      const last = kept;
      kept = undefined;
      left.abort();
      // What the reader waited for is worth more than the count: the booking ends by itself.
      if (last) await tally.giveBack(last).catch(unlessBusy(seats.logDefect));
    },
  };
}

/** Ends when the holder has left: false, or must give way: true. Renews the booking until then. */
async function watch(
  { tally, clock, timer, logDefect }: QuotaParts,
  first: StoredBooking,
  endsAt: number,
  left: AbortSignal,
  renewed: (kept: StoredBooking) => void,
): Promise<boolean> {
  let kept = first;
  let pause = pauseOf(kept.room);
  for (;;) {
    await timer.sleep(pause, left);
    if (left.aborted) return false;
    try {
      const now = clock();
      const spare = kept.room - countNewer(kept.booking, alive(await tally.look(kept), now));
      if (spare <= 0) return true;
      pause = pauseOf(spare);
      const { until } = kept.booking;
      if (until < endsAt && until - now < RENEW_MS) {
        kept = await tally.renew(kept, Math.min(endsAt, now + BOOKED_MS));
        if (!left.aborted) renewed(kept);
      }
    } catch (error) {
      // The next look is soon enough.
      unlessBusy(logDefect)(error);
    }
  }
}

/** Logs what is a defect. The request goes on in any case: its messages are worth more than the count. */
const unlessBusy = (logDefect: LogDefect) => (error: unknown) => {
  if (!isBusy(error)) logDefect(error, { counting: 'held requests' });
};

/** @param spare how many newer seats it takes until this one must be given up */
const pauseOf = (spare: number): number =>
  Math.min(Math.max(spare * LOOK_PER_SEAT_MS, SOONEST_LOOK_MS), LATEST_LOOK_MS);

/** How many seats are newer than that one. Two of one moment are told apart by name. */
function countNewer(booking: Booking, there: readonly Booking[]): number {
  const isNewer = ({ id, since }: Booking): boolean =>
    since > booking.since || (since === booking.since && id > booking.id);
  return new Set(there.filter(isNewer).map(({ id }) => id)).size;
}

/** Those whose time is not over. */
export const alive = (bookings: readonly Booking[], now: number): Booking[] =>
  bookings.filter(({ until }) => until > now);

/** A wake that takes a seat before the wait: a request that is answered at once takes none, and costs no write. */
export const withQuotaSlot = (seat: Pick<QuotaSlot, 'take'>, wake: Wake): Wake => ({
  async wait(seen, ms, signal) {
    await seat.take();
    await wake.wait(seen, ms, signal);
  },
});

export const tooMany = (limit: string): Refusal =>
  new Refusal('too_many_requests', `a caller may have ${limit}, and has them; come again later`);

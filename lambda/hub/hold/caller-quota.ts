/**
 * The quota of one caller: how many held requests or connections it may have at a time (PROTOCOL.md §8).
 *
 * A slot of the quota is booked by an id and for a time, and nothing is added up. So a booking that is written twice, or late, is one
 * booking, and giving back a slot that is not booked changes nothing. A process or a connection may end without a word. Its slot is
 * free when the time of the booking is over.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { isBusy, type LogDefect } from '../defects.ts';
import type { Clock, NewId } from '../log/log-ports.ts';
import type { Timer, Wake } from './held-read.ts';

/** The caller that is counted: the `sub` of its token; undefined for all callers without one together. */
export type Counted = string | undefined;

/** One booked slot. Times are in milliseconds since 1970. */
export interface Booking {
  /** Unique among the bookings of its caller. */
  readonly id: string;
  /** Time of the booking. */
  readonly since: number;
  /** Time from which the slot is free, unless its holder renews the booking. */
  readonly until: number;
}

/** Limits of one caller. */
export interface Quota {
  /** Slots that one caller may have at a time. */
  readonly most: number;
  /** Slots beyond these for a moment, until the oldest have given way; 0 if a caller with `most` slots is refused. */
  readonly over: number;
}

/** A booking, and the row in which it is stored. */
export interface StoredBooking {
  /** The caller that is counted. */
  readonly caller: Counted;
  readonly booking: Booking;
  /** Number of the row. */
  readonly row: number;
  /** Highest number of bookings that may stay in the row. */
  readonly room: number;
}

/** Store of bookings. Every write may be carried out twice, and late, without harm. @throws Refusal unavailable */
export interface QuotaStore {
  /** Books a slot. A repetition is the same booking. Returns undefined if the caller has as many as the quota allows. */
  take(caller: Counted, booking: Booking, quota: Quota, now: number): Promise<StoredBooking | undefined>;
  /** Returns the bookings of the row, as of some moments ago: the given one may be missing. */
  look(stored: StoredBooking): Promise<readonly Booking[]>;
  /** Books the same slot until that time. */
  renew(stored: StoredBooking, until: number): Promise<StoredBooking>;
  /** Removes a booking, if it is there. */
  giveBack(stored: Pick<StoredBooking, 'caller' | 'booking' | 'row'>): Promise<void>;
}

/** Everything that counts held requests of one kind. */
export interface QuotaParts {
  readonly store: QuotaStore;
  /** Undefined if callers are not counted. */
  readonly quota: Quota | undefined;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly newId: NewId;
  readonly logDefect: LogDefect;
}

/** The slot of one held request. */
export interface QuotaSlot {
  /** Takes a slot, unless the request has one. @throws Refusal too_many_requests, unavailable */
  take(): Promise<void>;
  /** Gives the slot back, if the request has one. It never fails. */
  leave(): Promise<void>;
  /** Is aborted when the caller has taken so many newer slots that this one must be given up. */
  readonly lost: AbortSignal;
}

/** Length of a booking, in milliseconds. After a crash a slot is taken for that long at most. */
const BOOKED_MS = 60_000;

/** Characters of an id. Together with the millisecond of the booking they tell the bookings of a caller apart. */
const ID_LENGTH = 8;

/** Time before its end at which a booking is renewed, in milliseconds: that is several looks, so one of them may fail. */
const RENEW_MS = 20_000;

/**
 * Pause before a request looks whether it must give way, in milliseconds: 100 for each newer slot that is still allowed. So the
 * oldest slots of a caller that opens ten a second are given up in time. A look costs half a read unit. A single stream under a
 * quota of 25 looks every 2.5 s, which is 1 % of the price of the stream.
 */
const LOOK_PER_SLOT_MS = 100;
const SOONEST_LOOK_MS = 250;
const LATEST_LOOK_MS = 5_000;

/** Slots beyond its quota that a caller may have while older ones give way: one fifth of the quota. */
const OVER_PART = 5;

/** Returns a quota under which the oldest slots give way to new ones. @param most 0 if callers are not counted */
export const givingWay = (most: number): Quota | undefined =>
  most === 0 ? undefined : { most, over: Math.ceil(most / OVER_PART) };

/** Returns a quota under which a caller that has all slots is refused. @param most 0 if callers are not counted */
export const refusing = (most: number): Quota | undefined => (most === 0 ? undefined : { most, over: 0 });

/** Returns the slot of a request, not yet taken. @param endsAt time at which the request ends, in milliseconds since 1970 */
export function quotaSlotOf(parts: QuotaParts, caller: Counted, endsAt: number): QuotaSlot {
  const { store, quota, clock, newId } = parts;
  const left = new AbortController();
  const lost = new AbortController();
  let current: StoredBooking | undefined;
  return {
    lost: lost.signal,
    async take() {
      if (!quota || current) return;
      const now = clock();
      const id = newId().slice(0, ID_LENGTH);
      const booking = { id, since: now, until: Math.min(endsAt, now + BOOKED_MS) };
      current = await store.take(caller, booking, quota, now);
      if (!current) throw tooMany(`${quota.most} held requests of this kind at a time`);
      if (quota.over === 0) return;
      void watch(parts, current, endsAt, left.signal, (renewed) => {
        current = renewed;
      }).then((isLost) => isLost && lost.abort());
    },
    async leave() {
      const last = current;
      current = undefined;
      left.abort();
      // The answer goes out in any case: the booking ends by itself.
      if (last) await store.giveBack(last).catch(unlessBusy(parts.logDefect));
    },
  };
}

/** Renews the booking until the holder has left. Returns true if the holder must give way before that. */
async function watch(
  { store, clock, timer, logDefect }: QuotaParts,
  first: StoredBooking,
  endsAt: number,
  left: AbortSignal,
  renewed: (booking: StoredBooking) => void,
): Promise<boolean> {
  let current = first;
  let pause = pauseOf(current.room);
  for (;;) {
    await timer.sleep(pause, left);
    if (left.aborted) return false;
    try {
      const now = clock();
      const spare = current.room - countNewer(current.booking, alive(await store.look(current), now));
      if (spare <= 0) return true;
      pause = pauseOf(spare);
      const { until } = current.booking;
      if (until < endsAt && until - now < RENEW_MS) {
        current = await store.renew(current, Math.min(endsAt, now + BOOKED_MS));
        if (!left.aborted) renewed(current);
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

/** @param spare how many newer slots may be taken before this one must be given up */
const pauseOf = (spare: number): number =>
  Math.min(Math.max(spare * LOOK_PER_SLOT_MS, SOONEST_LOOK_MS), LATEST_LOOK_MS);

/** Returns how many bookings are newer than that one. Two of the same millisecond are ordered by id. */
function countNewer(booking: Booking, stored: readonly Booking[]): number {
  const isNewer = ({ id, since }: Booking): boolean =>
    since > booking.since || (since === booking.since && id > booking.id);
  return new Set(stored.filter(isNewer).map(({ id }) => id)).size;
}

/** Returns the bookings whose time is not over. @param now milliseconds since 1970 */
export const alive = (bookings: readonly Booking[], now: number): Booking[] =>
  bookings.filter(({ until }) => until > now);

/** Returns a wake that takes a slot before the wait: a request that is answered at once takes none, and costs no write. */
export const withQuotaSlot = (slot: Pick<QuotaSlot, 'take'>, wake: Wake): Wake => ({
  async wait(seen, ms, signal) {
    await slot.take();
    await wake.wait(seen, ms, signal);
  },
});

/** Returns the refusal for a caller that has used up a quota. @param limit what it may have */
export const tooMany = (limit: string): Refusal =>
  new Refusal('too_many_requests', `a caller may have ${limit}, and has them; come again later`);

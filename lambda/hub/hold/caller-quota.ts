/**
 * The quota of one caller: how many held requests or connections it may have at a time (PROTOCOL.md §8).
 *
 * Each slot is booked under its own id and for a limited time. There is no counter, because a counter would be wrong after a
 * write that DynamoDB carries out twice. A booking that is written twice is one booking, and a slot that is not booked can be
 * given back without harm. A process may crash and give nothing back. Then its slot is free when the booking ends.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { type Recent, recent } from '../bounded-map.ts';
import { isBusy, type LogDefect } from '../defects.ts';
import type { Clock, NewId } from '../log/log-ports.ts';
import type { Timer, Wake } from './held-read.ts';

/** The caller to which slots are counted: the `sub` of its token. Undefined stands for all callers without a `sub` together. */
export type CountedCaller = string | undefined;

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
  /**
   * Slots beyond `most` that a caller may have: for a moment, until its oldest requests end, or because slots of requests that have
   * ended may still be booked.
   */
  readonly over: number;
  /** True if the oldest requests of a caller end for new ones. Otherwise new ones are refused. */
  readonly isEvicting: boolean;
}

/** A booking, and the row in which it is stored. */
export interface StoredBooking {
  /** The caller that has the slot. */
  readonly caller: CountedCaller;
  /** The booking. */
  readonly booking: Booking;
  /** Number of the row. */
  readonly row: number;
  /** Highest number of bookings that may stay in the row. */
  readonly room: number;
  /** True if at most `Quota.over` bookings of the caller existed when this one was made, itself included. */
  readonly isSpare: boolean;
}

/** Store of bookings. A write that is carried out twice, or late, does no harm. @throws Refusal unavailable */
export interface QuotaStore {
  /** Books a slot. A second call with the same booking books no second slot. Returns undefined if the quota is used up. */
  take(
    caller: CountedCaller,
    booking: Booking,
    quota: Pick<Quota, 'most' | 'over'>,
    now: number,
  ): Promise<StoredBooking | undefined>;
  /** Returns the bookings of the row. The read is eventually consistent, so a new booking may be missing. */
  read(stored: StoredBooking): Promise<readonly Booking[]>;
  /** Extends a booking. @param until new end, in milliseconds since 1970 */
  renew(stored: StoredBooking, until: number): Promise<StoredBooking>;
  /** Removes a booking, if it is there. */
  giveBack(stored: Pick<StoredBooking, 'caller' | 'booking' | 'row'>): Promise<void>;
}

/** The dependencies of quota slots, for one kind of held requests. */
export interface QuotaParts {
  /** The store of bookings. */
  readonly store: QuotaStore;
  /** Undefined if callers are not counted. */
  readonly quota: Quota | undefined;
  /** The time of bookings. */
  readonly clock: Clock;
  /** The timer of the checks and renewals. */
  readonly timer: Timer;
  /** Makes the ids of bookings. */
  readonly newId: NewId;
  /** Reports a fault of the hub itself. */
  readonly logDefect: LogDefect;
  /** Bookings of requests that have ended in this process, for the next requests of the same callers. */
  readonly kept: Recent<readonly StoredBooking[]>;
}

/** The slot of one held request. */
export interface QuotaSlot {
  /** Takes a slot, unless the request has one. @throws Refusal too_many_requests, unavailable */
  take(): Promise<void>;
  /** Gives the slot back, if the request has one. Never throws. */
  leave(): Promise<void>;
  /** Is aborted when the caller has taken so many newer slots that this request must end. */
  readonly lost: AbortSignal;
}

/** Length of a booking, in milliseconds. After a crash the slot stays booked for that long at most. */
const BOOKED_MS = 60_000;

/** Characters of an id. Together with the millisecond of the booking they tell the bookings of a caller apart. */
const ID_LENGTH = 8;

/** Time before its end at which a booking is renewed, in milliseconds. Several checks fit into it, so one of them may fail. */
const RENEW_MS = 20_000;

/** The same for a booking without checks. A booking that ends earlier is not used again. */
const REUSE_MS = 2_000;

/**
 * Pause between two checks whether a request must end, in milliseconds: 100 for each newer slot that the quota still allows. With
 * that, the oldest requests of a caller that opens ten a second end in time. A check costs half a read unit. A single stream under
 * a quota of 25 checks every 2.5 s, which is 1 % of the price of the stream.
 */
const CHECK_PER_SLOT_MS = 100;
const SHORTEST_CHECK_MS = 250;
const LONGEST_CHECK_MS = 5_000;

/** A caller may have one fifth more slots than its quota. */
const OVER_DIVISOR = 5;

/** The most callers whose bookings a process keeps. */
const MOST_CALLERS_KEPT = 100;

/** Returns a quota under which the oldest requests of a caller end when it opens new ones. @param most 0 if callers are not counted */
export const evictingQuota = (most: number): Quota | undefined =>
  most === 0 ? undefined : { most, over: Math.ceil(most / OVER_DIVISOR), isEvicting: true };

/**
 * Returns a quota under which a caller with all its slots is refused. The slot of a request that has ended may stay booked for the next
 * request of the caller, if the caller uses few. At most `over` stay: the last of them was made when all others existed, and is spare.
 * So a caller is refused only if it has `most` requests in fact.
 * @param most 0 if callers are not counted
 */
export const refusingQuota = (most: number): Quota | undefined =>
  most === 0 ? undefined : { most, over: Math.floor(most / OVER_DIVISOR), isEvicting: false };

/** Returns the slot of a request, not yet taken. @param endsAt time at which the request ends, in milliseconds since 1970 */
export function quotaSlotOf(parts: QuotaParts, caller: CountedCaller, endsAt: number): QuotaSlot {
  const { store, quota, clock, newId } = parts;
  const left = new AbortController();
  const lost = new AbortController();
  let current: StoredBooking | undefined;
  const renewed = (booking: StoredBooking): void => {
    current = booking;
  };
  return {
    lost: lost.signal,
    async take() {
      if (!quota || current) return;
      const now = clock();
      current = keptOf(parts, caller, now);
      if (!current) {
        const id = newId().slice(0, ID_LENGTH);
        const booking = { id, since: now, until: Math.min(endsAt, now + BOOKED_MS) };
        current = await store.take(caller, booking, quota, now);
      }
      if (!current) throw tooMany(`${quota.most} held requests of this kind at a time`);
      if (quota.isEvicting)
        void watch(parts, current, endsAt, left.signal, renewed).then((isLost) => isLost && lost.abort());
      else if (current.booking.until < endsAt) void renewOnce(parts, current, endsAt, left.signal, renewed);
    },
    async leave() {
      const last = current;
      current = undefined;
      left.abort();
      if (!last) return;
      if (quota && !quota.isEvicting && last.isSpare) return keep(parts, last);
      // A failure must not delay the answer. The booking ends by itself.
      await store.giveBack(last).catch(unlessBusy(parts.logDefect));
    },
  };
}

const isUsable = ({ booking }: StoredBooking, now: number): boolean => booking.until - now > REUSE_MS;

/** Takes a booking that an earlier request of the caller has left in this process; undefined if there is none. */
function keptOf({ kept }: QuotaParts, caller: CountedCaller, now: number): StoredBooking | undefined {
  const usable = (kept.get(keyOf(caller)) ?? []).filter((booking) => isUsable(booking, now));
  const taken = usable.pop();
  kept.set(keyOf(caller), usable);
  return taken;
}

/** Leaves a booking for the next request of its caller in this process. Without one it ends by itself. */
function keep({ kept }: QuotaParts, last: StoredBooking): void {
  const key = keyOf(last.caller);
  kept.set(key, [...(kept.get(key) ?? []), last]);
}

const keyOf = (caller: CountedCaller): string => (caller === undefined ? '' : `=${caller}`);

/** Returns an empty memory of bookings. */
export const keptBookings = (): QuotaParts['kept'] => recent(MOST_CALLERS_KEPT);

/** Renews a booking before it ends, unless its request has ended. A long poll lasts less than a minute, so once is enough. */
async function renewOnce(
  { store, clock, timer, logDefect }: QuotaParts,
  booked: StoredBooking,
  endsAt: number,
  left: AbortSignal,
  renewed: (booking: StoredBooking) => void,
): Promise<void> {
  await timer.sleep(booked.booking.until - clock() - REUSE_MS, left);
  if (left.aborted) return;
  try {
    const isInTime = clock() < booked.booking.until;
    const next = await store.renew(booked, Math.min(endsAt, clock() + BOOKED_MS));
    if (left.aborted) await store.giveBack(next);
    else renewed({ ...next, isSpare: booked.isSpare && isInTime });
  } catch (error) {
    unlessBusy(logDefect)(error);
  }
}

/** Renews the booking until the request has ended. Returns true if the request must end for newer ones. */
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
      const spare = current.room - countNewer(current.booking, alive(await store.read(current), now));
      if (spare <= 0) return true;
      pause = pauseOf(spare);
      const { until } = current.booking;
      if (until < endsAt && until - now < RENEW_MS) {
        current = await store.renew(current, Math.min(endsAt, now + BOOKED_MS));
        if (left.aborted) {
          // The request ended meanwhile, and gave back a booking that the renewal has replaced.
          await store.giveBack(current);
          return false;
        }
        renewed(current);
      }
    } catch (error) {
      // The next check is soon enough.
      unlessBusy(logDefect)(error);
    }
  }
}

/** Logs an error that is a defect. The request goes on in any case: its messages are worth more than an exact count. */
const unlessBusy = (logDefect: LogDefect) => (error: unknown) => {
  if (!isBusy(error)) logDefect(error, { counting: 'held requests' });
};

/** Returns the pause before the next check. @param spare newer slots that the caller may still take before this request must end */
const pauseOf = (spare: number): number =>
  Math.min(Math.max(spare * CHECK_PER_SLOT_MS, SHORTEST_CHECK_MS), LONGEST_CHECK_MS);

/** Returns how many bookings are newer than that one. Two of the same millisecond are ordered by id. */
function countNewer(booking: Booking, stored: readonly Booking[]): number {
  const isNewer = ({ id, since }: Booking): boolean =>
    since > booking.since || (since === booking.since && id > booking.id);
  return new Set(stored.filter(isNewer).map(({ id }) => id)).size;
}

/** Returns the bookings whose time is not over. @param now milliseconds since 1970 */
export const alive = (bookings: readonly Booking[], now: number): Booking[] =>
  bookings.filter(({ until }) => until > now);

/** Returns a wake that takes a slot before it waits. A request that is answered at once takes no slot, and costs no write. */
export const withQuotaSlot = (slot: Pick<QuotaSlot, 'take'>, wake: Wake): Wake => ({
  mark: wake.mark,
  async wait(seen, ms, signal) {
    await slot.take();
    return await wake.wait(seen, ms, signal);
  },
});

/** Returns the refusal for a caller that has used up a quota. @param limit the quota in words, such as `25 streams` */
export const tooMany = (limit: string): Refusal =>
  new Refusal('too_many_requests', `a caller may have ${limit}, and has them; come again later`);

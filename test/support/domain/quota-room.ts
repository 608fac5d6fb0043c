/**
 * Quota slots of held requests and streams in virtual time, with a quota in memory.
 * @module
 */
import {
  keptBookings,
  type Quota,
  type QuotaParts,
  type QuotaSlot,
  type QuotaStore,
  quotaSlotOf,
  type StoredBooking,
} from '../../../lambda/hub/hold/caller-quota.ts';
import { memoryQuota } from './memory-quota.ts';
import { type VirtualTime, virtualTime } from './virtual-time.ts';

export const HELD_MS = 25_000;
export const STREAM_MS = 60_000;

export interface QuotaRoom extends QuotaParts {
  /** Errors that were logged for the operator. */
  readonly defects: unknown[];
  readonly time: VirtualTime;
}

export function quotaRoom(quota: Quota | undefined, store: QuotaStore = memoryQuota()): QuotaRoom {
  const time = virtualTime();
  let ids = 0;
  const newId = () => String(++ids).padStart(8, '0');
  const defects: unknown[] = [];
  const logDefect = (error: unknown) => void defects.push(error);
  return {
    store,
    quota,
    clock: time.now,
    timer: time,
    newId,
    logDefect,
    kept: keptBookings(),
    time,
    defects,
  };
}

/** Returns the slot of a long poll that begins now. */
export const held = (room: QuotaRoom, caller = 'a'): QuotaSlot =>
  quotaSlotOf(room, caller, room.clock() + HELD_MS);

/** Returns the slot of a stream that begins now. */
export const stream = (room: QuotaRoom, caller = 'a'): QuotaSlot =>
  quotaSlotOf(room, caller, room.clock() + STREAM_MS);

/** Returns what a store needs to read the bookings of a caller. */
export const bookingsOf = (caller: string): StoredBooking => ({
  caller,
  booking: { id: '', since: 0, until: 0 },
  row: 0,
  room: 1,
  isSpare: false,
});

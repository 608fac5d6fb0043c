/**
 * Quotas in memory: the promises of the port in few lines.
 * @module
 */
import {
  alive,
  type Booking,
  type CountedCaller,
  type QuotaStore,
} from '../../../lambda/hub/hold/caller-quota.ts';

/** @param isThere as for quotaInDynamoDb */
export function memoryQuota(isThere: (id: string) => Promise<boolean> = async () => true): QuotaStore {
  const callers = new Map<CountedCaller, Map<string, Booking>>();
  const of = (caller: CountedCaller) => {
    const bookings = callers.get(caller) ?? new Map<string, Booking>();
    callers.set(caller, bookings);
    return bookings;
  };
  return {
    async take(caller, booking, { most, over }, now) {
      const bookings = of(caller);
      const there = alive([...bookings.values()], now);
      for (const { id } of there) if (!(await isThere(id))) bookings.delete(id);
      const count = alive([...bookings.values()], now).length;
      if (count >= most + over && !bookings.has(booking.id)) return undefined;
      bookings.set(booking.id, booking);
      // With more than 50 slots DynamoDB has several rows, and does not know.
      const isSpare = most <= 50 && alive([...bookings.values()], now).length <= over;
      return { caller, booking, row: 0, room: most, isSpare };
    },
    read: async ({ caller }) => [...of(caller).values()],
    async renew(stored, until) {
      const booking = { ...stored.booking, until };
      of(stored.caller).set(booking.id, booking);
      return { ...stored, booking };
    },
    giveBack: async ({ caller, booking }) => void of(caller).delete(booking.id),
  };
}

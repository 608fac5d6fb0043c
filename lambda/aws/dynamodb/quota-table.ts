/**
 * Bookings of quota slots in the Subscribers table (lambda/hub/hold/caller-quota.ts). Each caller and kind has rows with a set of
 * texts, one text for each booking. `ADD` and `DELETE` of a text have the same result however often and however late DynamoDB
 * carries them out, so the client may repeat these writes.
 *
 * A row of 50 bookings is about 1 KB, the size that one write unit pays for. A caller with a larger quota has several rows.
 *
 * The name of a caller is hashed, because a token may make it long, and a key has at most 2,048 bytes.
 * @module
 */
import { createHash } from 'node:crypto';
import {
  alive,
  type Booking,
  type CountedCaller,
  type QuotaStore,
  type StoredBooking,
} from '../../hub/hold/caller-quota.ts';
import { shardOf } from '../../hub/push/subscribe.ts';
import { call } from '../aws-client.ts';
import type { DocumentClient, QueryInput } from '../calls/document-calls.ts';
import { expiryOf } from './document-client.ts';
import { type Item, ifThere, numberOf, textOf } from './stored-attributes.ts';
import { type Update, updatesOf } from './update-item.ts';

/** The most bookings in a row. */
const ROW_SLOTS = 50;

/** The most rows that are read if the own row is full. With a quota of up to 1,000 these are all rows. */
const ROWS_READ = 20;

/**
 * Attempts to book a slot while others book at the same moment. Each attempt but the first sees what the others have booked. With three,
 * one of thirty that came at once for the last 40 of 1,000 slots was refused.
 */
const ATTEMPTS = 8;

/** When DynamoDB may remove a row, in milliseconds after its last change: longer than any booking. */
const ROW_LIFE_MS = 3 * 3_600_000;

/** The age at which a booking is verified, and the pause until its row is verified again, in milliseconds. */
const VERIFY_AFTER_MS = 60_000;

/** The set of bookings in a row. */
const names = { '#bookings': 'seats' };
const IF_THERE = 'attribute_exists(#bookings)';
const ADD = { change: 'ADD #bookings :text SET #expiry = :expiry', names };
const ADD_IF_ROOM = {
  ...ADD,
  condition: 'attribute_not_exists(#bookings) OR size(#bookings) < :room OR contains(#bookings, :booking)',
};
const ADD_AND_COUNT = { ...ADD_IF_ROOM, returns: 'ALL_NEW' as const };
const DROP = { change: 'DELETE #bookings :gone', condition: IF_THERE, names };
const MARK_CHECKED = { change: 'SET #checkedAt = :now', condition: IF_THERE, names };

interface Row {
  readonly number: number;
  readonly bookings: readonly Booking[];
  readonly checkedAt: number;
}

/**
 * Returns the store of bookings of one kind.
 * @param isThere returns true if the holder of a booking exists. With it, a booking without a holder is removed after a minute
 * and not at its end. A holder is missing if its opening failed after the booking, or if its end was never reported
 */
export function quotaInDynamoDb(
  client: DocumentClient,
  table: string,
  kind: string,
  isThere?: (id: string) => Promise<boolean>,
): QuotaStore {
  const update = updatesOf(client, table);
  const partitionOf = (caller: CountedCaller) => `#${kind}:${hashOf(caller)}`;

  async function change(
    { caller, row }: Pick<StoredBooking, 'caller' | 'row'>,
    expressions: Pick<Update, 'change' | 'condition' | 'names' | 'returns'>,
    values: Item,
  ): Promise<Item | undefined> {
    const key = { pattern: partitionOf(caller), connection: sortKeyOf(row) };
    return await update({ key, ...expressions, values });
  }

  async function rowsFrom(
    caller: CountedCaller,
    first: number,
    count: number,
    isNow: boolean,
  ): Promise<Row[]> {
    const query: QueryInput = {
      TableName: table,
      KeyConditionExpression: '#pattern = :pattern AND #connection BETWEEN :first AND :last',
      ExpressionAttributeNames: { '#pattern': 'pattern', '#connection': 'connection' },
      ExpressionAttributeValues: {
        ':pattern': partitionOf(caller),
        ':first': sortKeyOf(first),
        ':last': sortKeyOf(first + count - 1),
      },
      ConsistentRead: isNow,
    };
    const { Items = [] } = await call(() => client.query(query));
    const known = new Map(Items.map((item) => [textOf(item, 'connection'), item]));
    return Array.from({ length: count }, (_, at) => rowOf(first + at, known.get(sortKeyOf(first + at))));
  }

  const drop = (caller: CountedCaller, row: number, gone: readonly Booking[]) =>
    change({ caller, row }, DROP, { ':gone': new Set(gone.map(stored)) });

  /** Removes the bookings of a row whose holders are gone. Returns true if there were any. */
  async function verify(caller: CountedCaller, { number, bookings }: Row, now: number): Promise<boolean> {
    if (!isThere) return false;
    await change({ caller, row: number }, MARK_CHECKED, { ':now': now });
    const old = bookings.filter(({ since }) => now - since >= VERIFY_AFTER_MS);
    const there = await Promise.all(old.map(({ id }) => isThere(id)));
    const gone = old.filter((_, at) => !there[at]);
    if (gone.length > 0) await drop(caller, number, gone);
    return gone.length > 0;
  }

  /** Returns the number of a row that has room, among those near the own row. */
  async function findRoom(caller: CountedCaller, own: number, most: number, now: number) {
    const rows = rowsOf(most);
    const count = Math.min(rows, ROWS_READ);
    const seen = await rowsFrom(caller, Math.min(own, rows - count), count, true);
    const left = seen.map((row) => ({ ...row, bookings: alive(row.bookings, now) }));
    await Promise.all(
      seen.map(async ({ number, bookings }) => {
        const gone = bookings.filter(({ until }) => until <= now);
        if (gone.length > 0) await drop(caller, number, gone);
      }),
    );
    const open = left.filter(({ number, bookings }) => bookings.length < roomOf(number, most));
    // Requests at the same moment go to different rows.
    if (open.length > 0) return open[own % open.length]?.number;
    const [oldest] = left.toSorted((a, b) => a.checkedAt - b.checkedAt);
    if (!oldest || now - oldest.checkedAt < VERIFY_AFTER_MS) return undefined;
    return (await verify(caller, oldest, now)) ? oldest.number : undefined;
  }

  return {
    async take(caller, booking, quota, now) {
      const own = shardOf(booking.id, rowsOf(quota.most));
      // In several rows the spare ones of each could together be more than the quota allows.
      const isCounted = quota.over > 0 && rowsOf(quota.most) === 1;
      const book = async (row: number, over: number): Promise<StoredBooking | undefined> => {
        const booked = { caller, booking, row, room: roomOf(row, quota.most) };
        const text = stored(booking);
        const adding = isCounted ? ADD_AND_COUNT : ADD_IF_ROOM;
        const item = await change(booked, adding, {
          ':text': new Set([text]),
          ':booking': text,
          ':room': booked.room + over,
          ':expiry': expiryOf(now + ROW_LIFE_MS),
        });
        if (!item) return undefined;
        const used = new Set(alive(rowOf(row, item).bookings, now).map(({ id }) => id)).size;
        return { ...booked, isSpare: isCounted && used <= quota.over };
      };
      let row: number | undefined = own;
      for (let attempt = 0; row !== undefined && attempt < ATTEMPTS; attempt++) {
        const booked = await book(row, 0);
        if (booked) return booked;
        row = await findRoom(caller, own, quota.most, now);
      }
      return quota.over > 0 ? await book(own, Math.ceil(quota.over / rowsOf(quota.most))) : undefined;
    },
    async read({ caller, row }) {
      const [seen] = await rowsFrom(caller, row, 1, false);
      return seen?.bookings ?? [];
    },
    async renew(booked, until) {
      const booking = { ...booked.booking, until };
      const text = new Set([stored(booking)]);
      await change(booked, ADD, { ':text': text, ':expiry': expiryOf(until + ROW_LIFE_MS) });
      await drop(booked.caller, booked.row, [booked.booking]);
      return { ...booked, booking };
    },
    async giveBack({ caller, row, booking }) {
      await drop(caller, row, [booking]);
    },
  };
}

const rowsOf = (most: number): number => Math.ceil(most / ROW_SLOTS);

/** The slots are divided evenly, so that all rows together have as many as the quota. */
const roomOf = (row: number, most: number): number => {
  const rows = rowsOf(most);
  return Math.floor(most / rows) + (row < most % rows ? 1 : 0);
};

/** Sorts like the number. There are never more than a million rows. */
const sortKeyOf = (row: number): string => `#${String(row).padStart(6, '0')}`;

function rowOf(number: number, item: Item | undefined): Row {
  const stored = item?.[names['#bookings']];
  const texts = stored instanceof Set ? [...stored].map(String) : [];
  return {
    number,
    bookings: texts.map(bookingOf),
    checkedAt: (item && ifThere(item, 'checkedAt', numberOf)) ?? 0,
  };
}

/** The base of the stored numbers: a high base saves bytes. An id may have any character but a space. */
const BASE = 36;

const stored = ({ id, since, until }: Booking): string =>
  `${since.toString(BASE)} ${(until - since).toString(BASE)} ${id}`;

function bookingOf(text: string): Booking {
  const [from = '', time = '', id = ''] = text.split(' ');
  const since = Number.parseInt(from, BASE);
  return { id, since, until: since + Number.parseInt(time, BASE) };
}

/** All anonymous callers are one caller, with a key that no hash equals. */
const hashOf = (caller: CountedCaller): string =>
  caller === undefined ? '' : createHash('sha256').update(caller).digest('base64url');

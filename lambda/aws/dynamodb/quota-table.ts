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
import { type Table, tableOf, type Update } from './update-item.ts';

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

/** The rows of one kind of bookings. */
interface QuotaRows extends Table {
  readonly kind: string;
  readonly isThere: ((id: string) => Promise<boolean>) | undefined;
}

/**
 * Returns the store of bookings of one kind.
 * @param isThere returns true if the holder of a booking exists. With it, a booking without a holder is removed after a minute
 * and not at its end. A holder is missing if its opening failed after the booking, or if its end was never reported
 */
export function quotaInDynamoDb(
  client: DocumentClient,
  name: string,
  kind: string,
  isThere?: (id: string) => Promise<boolean>,
): QuotaStore {
  const table: QuotaRows = { ...tableOf(client, name), kind, isThere };
  return {
    take: take(table),
    async read({ caller, row }) {
      const [seen] = await readRows(table, caller, { first: row, count: 1, isNow: false });
      return seen?.bookings ?? [];
    },
    renew: renew(table),
    giveBack: async ({ caller, row, booking }) => await drop(table, caller, row, [booking]),
  };
}

const take =
  (table: QuotaRows): QuotaStore['take'] =>
  async (caller, booking, { most, over }, now) => {
    const rows = rowsOf(most);
    const own = shardOf(booking.id, rows);
    // In several rows the spare ones of each could together be more than the quota allows.
    const countsUpTo = rows === 1 ? over : 0;
    const book = async (row: number, extra: number) =>
      await bookIn(table, { caller, booking, row, room: roomOf(row, most) }, { extra, countsUpTo, now });
    let row: number | undefined = own;
    for (let attempt = 0; row !== undefined && attempt < ATTEMPTS; attempt++) {
      const booked = await book(row, 0);
      if (booked) return booked;
      row = await findRoom(table, caller, own, most, now);
    }
    return over > 0 ? await book(own, Math.ceil(over / rows)) : undefined;
  };

/**
 * Books a slot in a row. Returns undefined if the row has no room.
 * @param extra slots that the row has beyond its room
 * @param countsUpTo the booking is spare if its caller has at most so many; 0 if that is not counted
 */
async function bookIn(
  table: QuotaRows,
  slot: Omit<StoredBooking, 'isSpare'>,
  { extra, countsUpTo, now }: { readonly extra: number; readonly countsUpTo: number; readonly now: number },
): Promise<StoredBooking | undefined> {
  const { booking, row, room } = slot;
  const text = stored(booking);
  const item = await change(table, slot, countsUpTo > 0 ? ADD_AND_COUNT : ADD_IF_ROOM, {
    ':text': new Set([text]),
    ':booking': text,
    ':room': room + extra,
    ':expiry': expiryOf(now + ROW_LIFE_MS),
  });
  if (!item) return undefined;
  const used = new Set(alive(rowOf(row, item).bookings, now).map(({ id }) => id)).size;
  return { ...slot, isSpare: countsUpTo > 0 && used <= countsUpTo };
}

/** Returns the number of a row that has room, among those near the own row; undefined if there is none. */
async function findRoom(
  table: QuotaRows,
  caller: CountedCaller,
  own: number,
  most: number,
  now: number,
): Promise<number | undefined> {
  const rows = rowsOf(most);
  const count = Math.min(rows, ROWS_READ);
  const seen = await readRows(table, caller, { first: Math.min(own, rows - count), count, isNow: true });
  const left = seen.map((row) => ({ ...row, bookings: alive(row.bookings, now) }));
  await Promise.all(
    seen.map(async ({ number, bookings }) => {
      const gone = bookings.filter(({ until }) => until <= now);
      if (gone.length > 0) await drop(table, caller, number, gone);
    }),
  );
  const open = left.filter(({ number, bookings }) => bookings.length < roomOf(number, most));
  // Requests at the same moment go to different rows.
  if (open.length > 0) return open[own % open.length]?.number;
  const [oldest] = left.toSorted((a, b) => a.checkedAt - b.checkedAt);
  if (!oldest || now - oldest.checkedAt < VERIFY_AFTER_MS) return undefined;
  return (await verify(table, caller, oldest, now)) ? oldest.number : undefined;
}

/** Removes the bookings of a row whose holders are gone. Returns true if there were any. */
async function verify(
  table: QuotaRows,
  caller: CountedCaller,
  { number, bookings }: Row,
  now: number,
): Promise<boolean> {
  const { isThere } = table;
  if (!isThere) return false;
  await change(table, { caller, row: number }, MARK_CHECKED, { ':now': now });
  const old = bookings.filter(({ since }) => now - since >= VERIFY_AFTER_MS);
  const there = await Promise.all(old.map(({ id }) => isThere(id)));
  const gone = old.filter((_, at) => !there[at]);
  if (gone.length > 0) await drop(table, caller, number, gone);
  return gone.length > 0;
}

const renew =
  (table: QuotaRows): QuotaStore['renew'] =>
  async (booked, until) => {
    const booking = { ...booked.booking, until };
    const text = new Set([stored(booking)]);
    await change(table, booked, ADD, { ':text': text, ':expiry': expiryOf(until + ROW_LIFE_MS) });
    await drop(table, booked.caller, booked.row, [booked.booking]);
    return { ...booked, booking };
  };

/** Removes bookings from a row. */
async function drop(
  table: QuotaRows,
  caller: CountedCaller,
  row: number,
  gone: readonly Booking[],
): Promise<void> {
  await change(table, { caller, row }, DROP, { ':gone': new Set(gone.map(stored)) });
}

/** Changes a row. Returns its attributes if the change returns them; undefined if its condition did not hold. */
async function change(
  table: QuotaRows,
  { caller, row }: Pick<StoredBooking, 'caller' | 'row'>,
  expressions: Pick<Update, 'change' | 'condition' | 'names' | 'returns'>,
  values: Item,
): Promise<Item | undefined> {
  const key = { pattern: partitionOf(table, caller), connection: sortKeyOf(row) };
  return await table.update({ key, ...expressions, values });
}

/** Reads rows that follow each other. A row that is not stored has no bookings. @param isNow true for a consistent read */
async function readRows(
  table: QuotaRows,
  caller: CountedCaller,
  { first, count, isNow }: { readonly first: number; readonly count: number; readonly isNow: boolean },
): Promise<Row[]> {
  const query: QueryInput = {
    TableName: table.TableName,
    KeyConditionExpression: '#pattern = :pattern AND #connection BETWEEN :first AND :last',
    ExpressionAttributeNames: { '#pattern': 'pattern', '#connection': 'connection' },
    ExpressionAttributeValues: {
      ':pattern': partitionOf(table, caller),
      ':first': sortKeyOf(first),
      ':last': sortKeyOf(first + count - 1),
    },
    ConsistentRead: isNow,
  };
  const { Items = [] } = await call(() => table.client.query(query));
  const known = new Map(Items.map((item) => [textOf(item, 'connection'), item]));
  return Array.from({ length: count }, (_, at) => rowOf(first + at, known.get(sortKeyOf(first + at))));
}

const partitionOf = ({ kind }: QuotaRows, caller: CountedCaller): string => `#${kind}:${hashOf(caller)}`;

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

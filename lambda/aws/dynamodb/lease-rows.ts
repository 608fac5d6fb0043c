/**
 * Rows with a lease, in any table (lambda/hub/lease.ts). Attributes: `owner` and `until` while there is an owner, `left` and
 * `freedAt` after an owner has released the lease, `asks`, `expiry`, and those of the state.
 * @module
 */
import type { LeaseRow, LeaseStore } from '../../hub/lease.ts';
import { call } from '../aws-client.ts';
import type { DocumentClient, GetInput } from '../calls/document-calls.ts';
import { expiryOf } from './document-client.ts';
import { type Item, ifThere, numberOf, textOf } from './stored-attributes.ts';
import { updatesOf } from './update-item.ts';

/** The form in which the leases of one table are stored. */
export interface LeaseRows<Key, State, Row> {
  /** Returns the key of the row. */
  readonly keyOf: (key: Key) => Item;
  /** The time for which a row is stored after the end of the last lease, in milliseconds. */
  readonly storedForMs: number;
  /** Returns the attributes of a state. An attribute that is undefined stays as it is stored. */
  readonly attributesOf: (state: State) => Item;
  /** Reads a row. A row that was never committed has no attributes of a state. */
  readonly rowOf: (item: Item) => Row;
  /** The attribute that counts how often the lease was taken. A take that the client repeats may count twice. */
  readonly counter?: string;
}

/** Returns a store of leases. Its methods throw Refusal unavailable if the table is throttled. */
export function leasesInDynamoDb<Key, State, Row extends LeaseRow>(
  client: DocumentClient,
  table: string,
  { keyOf, storedForMs, attributesOf, rowOf, counter }: LeaseRows<Key, State, Row>,
): LeaseStore<Key, State, Row> {
  const update = updatesOf(client, table);
  const get = async (key: Key): Promise<Item | undefined> => {
    const command: GetInput = { TableName: table, Key: keyOf(key), ConsistentRead: true };
    return (await call(() => client.get(command))).Item;
  };
  return {
    async get(key) {
      const item = await get(key);
      return item && { ...rowOf(item), ...(item.owner === undefined ? {} : leaseOf(item)) };
    },
    async take(key, { owner, until }, now) {
      const expiry = expiryOf(until + storedForMs);
      const before = await update({
        key: keyOf(key),
        change: `SET ${HOLD}, #expiry = :expiry${counter === undefined ? '' : ` ADD #${counter} :one`}`,
        condition: MAY_TAKE,
        values: {
          ':owner': owner,
          ':until': until,
          ':now': now,
          ':latest': now + LATE_TAKE_MS,
          ':expiry': expiry,
          ...(counter === undefined ? {} : { ':one': 1 }),
        },
        returns: 'ALL_OLD',
      });
      return before && rowOf(before);
    },
    async ask(key, now) {
      const asked = await update({
        key: keyOf(key),
        change: 'ADD #asks :one',
        condition: 'attribute_exists(#owner) AND #until > :now',
        values: { ':one': 1, ':now': now },
        returns: 'ALL_NEW',
      });
      return asked && { ...rowOf(asked), ...leaseOf(asked) };
    },
    async commit(key, { owner, until: was }, state, until) {
      const { change, values } = settingOf(attributesOf(state));
      const committed = await update({
        key: keyOf(key),
        change: `${change}, #until = :until`,
        condition: '#owner = :owner AND #until = :was',
        values: { ...values, ':owner': owner, ':was': was, ':until': until },
        returns: 'ALL_NEW',
      });
      const item = committed ?? (await get(key));
      // The condition also fails if this very commit was carried out, but its first answer was lost inside the client.
      return item?.owner === owner && item.until === until ? asksOf(item) : undefined;
    },
    async release(key, { owner, until }, state, asks, now) {
      const { change, values } = settingOf(attributesOf(state));
      // A row without a count has had no request.
      const isUnasked = asks === 0 ? 'attribute_not_exists(#asks)' : '#asks = :asks';
      const released = await update({
        key: keyOf(key),
        change: `${change}, ${LET_GO}`,
        condition: `#owner = :owner AND #until = :until${asks === undefined ? '' : ` AND ${isUnasked}`}`,
        values: {
          ...values,
          ':owner': owner,
          ':until': until,
          ':now': now,
          ...(asks ? { ':asks': asks } : {}),
        },
      });
      return released !== undefined;
    },
  };
}

const HOLD = '#owner = :owner, #until = :until';

/**
 * The client repeats a call without an answer after 800 ms, and DynamoDB may carry out the first try after the lease was
 * released. That try has a moment this long, in milliseconds, before the release, and must not take the lease. The value is
 * below 800 ms, and above the difference between the clocks of two machines.
 */
const LATE_TAKE_MS = 500;

/** The condition for taking a lease, which `#left` released at `#freedAt`. */
const MAY_TAKE =
  '(attribute_not_exists(#owner) OR #until <= :now OR (#owner = :owner AND #until = :until)) ' +
  'AND (attribute_not_exists(#freedAt) OR #freedAt <= :latest) AND (attribute_not_exists(#left) OR #left <> :owner)';

/** Ends a SET that releases a lease. By the two attributes MAY_TAKE recognizes a late call. */
export const LET_GO = '#freedAt = :now, #left = :owner REMOVE #owner, #until';

/** Returns the count of requests in a row. */
export const asksOf = (item: Item): number => ifThere(item, 'asks', numberOf) ?? 0;

const leaseOf = (item: Item) => ({ owner: textOf(item, 'owner'), until: numberOf(item, 'until') });

/** Returns the expression that sets the attributes, and its values. */
function settingOf(attributes: Item): { readonly change: string; readonly values: Item } {
  const set = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return {
    change: `SET ${set.map(([name]) => `#${name} = :${name}`).join(', ')}`,
    values: Object.fromEntries(set.map(([name, value]) => [`:${name}`, value])),
  };
}

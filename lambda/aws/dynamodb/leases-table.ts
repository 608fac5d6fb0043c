/**
 * Leases in the Deliveries table: the owner of an endpoint, and the state that one owner hands to the next. The key is
 * `endpoint` and `row`, which is `lease`. In `health`, `backoffUntil` is stored as `restsUntil`, `isNotified` as `isTold`
 * and `nextStartAt` as `pacedUntil`.
 * @module
 */
import { type DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import { fieldsOf } from '../../../protocol/fields.ts';
import { HEALTHY } from '../../webhook/health.ts';
import type { EndpointState, Health, LeaseStore } from '../../webhook/webhook-stores.ts';
import { call } from '../aws-client.ts';
import { expiryOf } from './document-client.ts';
import { booleanOf, type Item, ifThere, numberOf, textOf } from './stored-attributes.ts';
import { LET_GO, MAY_TAKE, updatesOf, valuesOfTake } from './update-item.ts';

/** How long an unused lease is kept, in milliseconds: 90 days, longer than any delivery. */
const KEPT_MS = 90 * 24 * 3_600_000;

const keyOf = (endpoint: string) => ({ endpoint, row: 'lease' });
const expiryAfter = (now: number) => expiryOf(now + KEPT_MS);

const SET_STATE = 'SET #health = :health, #wakeAt = :wakeAt, #wakeBy = :wakeBy';
const valuesOf = ({ health, wakeAt, wakeBy }: EndpointState) => ({
  ':health': healthItem(health),
  ':wakeAt': wakeAt,
  ':wakeBy': wakeBy,
});

/** Returns the store of leases in DynamoDB. Its methods throw Refusal unavailable if the table is throttled. */
export function leasesInDynamoDb(client: DynamoDBDocumentClient, table: string): LeaseStore {
  const update = updatesOf(client, table);
  const get = async (endpoint: string): Promise<Item> => {
    const command = new GetCommand({ TableName: table, Key: keyOf(endpoint), ConsistentRead: true });
    return (await call(() => client.send(command))).Item ?? {};
  };
  return {
    async ask(endpoint, now) {
      const updated = await update({
        key: keyOf(endpoint),
        // A request that the SDK counts twice only costs one more look at the tasks.
        change: 'SET #expiry = :expiry ADD #asks :one',
        values: { ':one': 1, ':expiry': expiryAfter(now) },
        returns: 'ALL_NEW',
      });
      const row = updated ?? {};
      if (row.owner === undefined || numberOf(row, 'until') <= now) return undefined;
      return { owner: textOf(row, 'owner'), until: numberOf(row, 'until'), wakeBy: stateOf(row).wakeBy };
    },
    async take(endpoint, lease, now) {
      const row = await update({
        key: keyOf(endpoint),
        change: 'SET #owner = :owner, #until = :until, #expiry = :expiry',
        condition: MAY_TAKE,
        values: { ...valuesOfTake(lease, now), ':expiry': expiryAfter(lease.until) },
        returns: 'ALL_NEW',
      });
      return row && { ...stateOf(row), asks: asksOf(row) };
    },
    async commit(endpoint, { owner, until: was }, state, until) {
      const committed = await update({
        key: keyOf(endpoint),
        change: `${SET_STATE}, #until = :until`,
        condition: '#owner = :owner AND #until = :was',
        values: { ...valuesOf(state), ':owner': owner, ':was': was, ':until': until },
        returns: 'ALL_NEW',
      });
      const row = committed ?? (await get(endpoint));
      // The row also says so if this commit was made, but the answer to the first try of the SDK was lost.
      return row.owner === owner && row.until === until ? asksOf(row) : undefined;
    },
    async release(endpoint, { owner, until }, state, asks, now) {
      const held = { ':owner': owner, ':until': until, ':now': now, ...(asks ? { ':asks': asks } : {}) };
      const released = await update({
        key: keyOf(endpoint),
        change: `${SET_STATE}, ${LET_GO} REMOVE #owner, #until`,
        condition: `#owner = :owner AND #until = :until${asks === undefined ? '' : unasked(asks)}`,
        values: { ...valuesOf(state), ...held },
      });
      if (released) return 'released';
      const stored = await get(endpoint);
      // Without an owner, an earlier try of the SDK released the lease and its answer was lost.
      if (stored.owner === undefined) return 'released';
      return stored.owner === owner && stored.until === until ? 'asked' : 'lost';
    },
    health: async (endpoint) => stateOf(await get(endpoint)).health,
  };
}

/** Returns the condition that no request came since. A row without a count has had no request. */
const unasked = (asks: number) => ` AND ${asks === 0 ? 'attribute_not_exists(#asks)' : '#asks = :asks'}`;

const asksOf = (row: Item) => ifThere(row, 'asks', numberOf) ?? 0;

/** Returns the stored state. A row that was never committed has none. */
const stateOf = (row: Item): EndpointState => ({
  health: row.health === undefined ? HEALTHY : healthOf(fieldsOf(row.health)),
  wakeAt: ifThere(row, 'wakeAt', numberOf) ?? 0,
  wakeBy: ifThere(row, 'wakeBy', textOf) ?? '',
});

const healthItem = ({ backoffUntil, isNotified, nextStartAt, ...health }: Health): Item => ({
  ...health,
  restsUntil: backoffUntil,
  isTold: isNotified,
  pacedUntil: nextStartAt,
});

function healthOf(item: Item): Health {
  return {
    failures: numberOf(item, 'failures'),
    failingSince: ifThere(item, 'failingSince', numberOf),
    failedAt: numberOf(item, 'failedAt'),
    opens: numberOf(item, 'opens'),
    backoffUntil: numberOf(item, 'restsUntil'),
    isNotified: booleanOf(item, 'isTold'),
    nextStartAt: numberOf(item, 'pacedUntil'),
  };
}

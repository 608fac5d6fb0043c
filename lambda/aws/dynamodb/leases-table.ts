/**
 * Leases in the Deliveries table: who serves an endpoint, and what its owners tell each other. Key `endpoint` and `row`,
 * which is `lease`.
 * @module
 */
import { type DynamoDBDocumentClient, GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { fieldsOf } from '../../../protocol/fields.ts';
import { HEALTHY } from '../../webhook/health.ts';
import type { EndpointState, Health, LeaseStore } from '../../webhook/webhook-ports.ts';
import { call } from '../aws-client.ts';
import { callIf, expiryOf } from './document-client.ts';
import { booleanOf, type Item, ifThere, numberOf, textOf } from './stored-attributes.ts';
import { LET_GO, MAY_TAKE, namesIn, valuesOfTake } from './update-item.ts';

/** How long a lease is kept that nobody takes or asks for, in milliseconds: 90 days, longer than any delivery. */
const KEPT_MS = 90 * 24 * 3_600_000;

const keyOf = (endpoint: string) => ({ endpoint, row: 'lease' });
const expiryAfter = (now: number) => expiryOf(now + KEPT_MS);

const SET_STANDING = 'SET #health = :health, #wakeAt = :wakeAt, #wakeBy = :wakeBy';
const valuesOf = ({ health, wakeAt, wakeBy }: EndpointState) => ({
  ':health': health,
  ':wakeAt': wakeAt,
  ':wakeBy': wakeBy,
});

export function leasesInDynamoDb(client: DynamoDBDocumentClient, table: string): LeaseStore {
  /** The row as it is then; undefined if the condition did not hold. */
  const update = async (endpoint: string, change: string, condition: string, values: Item) => {
    const command = new UpdateCommand({
      TableName: table,
      Key: keyOf(endpoint),
      UpdateExpression: change,
      ...(condition === '' ? {} : { ConditionExpression: condition }),
      ExpressionAttributeNames: namesIn(change, condition),
      ExpressionAttributeValues: values,
      ReturnValues: 'ALL_NEW',
    });
    const updated = await callIf(() => client.send(command));
    return updated && (updated.Attributes ?? {});
  };
  const get = async (endpoint: string): Promise<Item> => {
    const command = new GetCommand({ TableName: table, Key: keyOf(endpoint), ConsistentRead: true });
    return (await call(() => client.send(command))).Item ?? {};
  };
  return {
    async ask(endpoint, now) {
      const values = { ':one': 1, ':expiry': expiryAfter(now) };
      // One that the SDK counts twice costs a look at nothing.
      const row = (await update(endpoint, 'SET #expiry = :expiry ADD #asks :one', '', values)) ?? {};
      if (row.owner === undefined || numberOf(row, 'until') <= now) return undefined;
      return { owner: textOf(row, 'owner'), until: numberOf(row, 'until'), wakeBy: standingOf(row).wakeBy };
    },
    async take(endpoint, lease, now) {
      const values = { ...valuesOfTake(lease, now), ':expiry': expiryAfter(lease.until) };
      const row = await update(
        endpoint,
        'SET #owner = :owner, #until = :until, #expiry = :expiry',
        MAY_TAKE,
        values,
      );
      return row && { ...standingOf(row), asks: asksOf(row) };
    },
    async commit(endpoint, { owner, until: was }, standing, until) {
      const values = { ...valuesOf(standing), ':owner': owner, ':was': was, ':until': until };
      const condition = '#owner = :owner AND #until = :was';
      const row =
        (await update(endpoint, `${SET_STANDING}, #until = :until`, condition, values)) ??
        (await get(endpoint));
      // Its own, too, if the answer to the first try of the SDK was lost.
      return row.owner === owner && row.until === until ? asksOf(row) : undefined;
    },
    async release(endpoint, { owner, until }, standing, asks, now) {
      const change = `${SET_STANDING}, ${LET_GO} REMOVE #owner, #until`;
      const condition = `#owner = :owner AND #until = :until${asks === undefined ? '' : unasked(asks)}`;
      const held = { ':owner': owner, ':until': until, ':now': now, ...(asks ? { ':asks': asks } : {}) };
      if (await update(endpoint, change, condition, { ...valuesOf(standing), ...held })) return 'released';
      const there = await get(endpoint);
      // Where there is no owner, the SDK has let go before and its answer was lost.
      if (there.owner === undefined) return 'released';
      return there.owner === owner && there.until === until ? 'asked' : 'lost';
    },
    health: async (endpoint) => standingOf(await get(endpoint)).health,
  };
}

/** Nobody has asked yet where there is no count. */
const unasked = (asks: number) => ` AND ${asks === 0 ? 'attribute_not_exists(#asks)' : '#asks = :asks'}`;

const asksOf = (row: Item) => ifThere(row, 'asks', numberOf) ?? 0;

/** A row that nobody has committed to yet says nothing of all this. */
const standingOf = (row: Item): EndpointState => ({
  health: row.health === undefined ? HEALTHY : healthOf(fieldsOf(row.health)),
  wakeAt: ifThere(row, 'wakeAt', numberOf) ?? 0,
  wakeBy: ifThere(row, 'wakeBy', textOf) ?? '',
});

function healthOf(item: Item): Health {
  return {
    failures: numberOf(item, 'failures'),
    failingSince: ifThere(item, 'failingSince', numberOf),
    failedAt: numberOf(item, 'failedAt'),
    opens: numberOf(item, 'opens'),
    restsUntil: numberOf(item, 'restsUntil'),
    isTold: booleanOf(item, 'isTold'),
    pacedUntil: numberOf(item, 'pacedUntil'),
  };
}

/**
 * Leases in the Deliveries table: the owner of an endpoint, and the state that one owner hands to the next. The key is
 * `endpoint` and `row`, which is `lease`. In `health`, `backoffUntil` is stored as `restsUntil`, `isNotified` as `isTold`
 * and `nextStartAt` as `pacedUntil`.
 * @module
 */
import { fieldsOf } from '../../../protocol/fields.ts';
import { HEALTHY } from '../../webhook/health.ts';
import type { EndpointLeaseStore, EndpointRow, EndpointState, Health } from '../../webhook/webhook-stores.ts';
import type { DocumentClient } from '../calls/document-calls.ts';
import { asksOf, leasesInDynamoDb } from './lease-rows.ts';
import { booleanOf, type Item, ifThere, numberOf, textOf } from './stored-attributes.ts';

/** How long an unused lease is stored, in milliseconds: 90 days, longer than any delivery. */
const STORED_FOR_MS = 90 * 24 * 3_600_000;

/** Returns the store of leases of endpoints. Its methods throw Refusal unavailable if the table is throttled. */
export const endpointLeasesInDynamoDb = (client: DocumentClient, table: string): EndpointLeaseStore =>
  leasesInDynamoDb<string, EndpointState, EndpointRow>(client, table, {
    keyOf: (endpoint) => ({ endpoint, row: 'lease' }),
    storedForMs: STORED_FOR_MS,
    attributesOf: ({ health, wakeAt, wakeBy }) => ({ health: healthItem(health), wakeAt, wakeBy }),
    rowOf: (item) => ({
      health: item.health === undefined ? HEALTHY : healthOf(fieldsOf(item.health)),
      wakeAt: ifThere(item, 'wakeAt', numberOf) ?? 0,
      wakeBy: ifThere(item, 'wakeBy', textOf) ?? '',
      asks: asksOf(item),
    }),
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

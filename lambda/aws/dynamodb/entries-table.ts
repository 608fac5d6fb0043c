/**
 * The Entries table: one item for each publish, key `streamId` and `slot`. All reads are consistent, because a publisher that
 * has its answer must find its message.
 * @module
 */

import type { Entry } from '../../hub/log/entry.ts';
import type { Age, EntryStore } from '../../hub/log/log-ports.ts';
import { call } from '../aws-client.ts';
import type { DocumentClient, GetInput, PutInput, QueryInput } from '../calls/document-calls.ts';
import { callIf, expiryOf } from './document-client.ts';
import { numberOf, textOf } from './stored-attributes.ts';

/** Returns the store of entries. */
export function entriesInDynamoDb(client: DocumentClient, table: string): EntryStore {
  return {
    async put(streamId, entry) {
      const put: PutInput = {
        TableName: table,
        Item: itemOf(streamId, entry),
        ConditionExpression: 'attribute_not_exists(streamId)',
      };
      if (await callIf(() => client.put(put))) return 'written';
      const get: GetInput = {
        TableName: table,
        Key: { streamId, slot: entry.slot },
        ConsistentRead: true,
        ProjectionExpression: 'id',
      };
      const { Item } = await call(() => client.get(get));
      return Item?.id === entry.id && 'there';
    },

    async page(streamId, slot) {
      const query: QueryInput = {
        TableName: table,
        KeyConditionExpression: 'streamId = :streamId AND slot >= :slot',
        ExpressionAttributeValues: { ':streamId': streamId, ':slot': slot },
        ConsistentRead: true,
      };
      const { Items = [], LastEvaluatedKey } = await call(() => client.query(query));
      return { entries: Items.map(entryOf), more: LastEvaluatedKey !== undefined };
    },

    async before(streamId, slot, most) {
      const query: QueryInput = {
        TableName: table,
        KeyConditionExpression: 'streamId = :streamId AND slot < :slot',
        ExpressionAttributeValues: { ':streamId': streamId, ':slot': slot },
        ConsistentRead: true,
        ScanIndexForward: false,
        Limit: most,
      };
      const { Items = [], LastEvaluatedKey } = await call(() => client.query(query));
      return { entries: Items.map(entryOf), more: LastEvaluatedKey !== undefined };
    },

    async nearest(streamId, slot, side) {
      const query: QueryInput = {
        TableName: table,
        KeyConditionExpression: `streamId = :streamId AND slot ${side === 'below' ? '<' : '>='} :slot`,
        ExpressionAttributeValues: { ':streamId': streamId, ':slot': slot },
        ConsistentRead: true,
        ScanIndexForward: side === 'from',
        Limit: 1,
        ProjectionExpression: 'slot, #time, expiresAt',
        ExpressionAttributeNames: { '#time': 'time' },
      };
      const { Items = [] } = await call(() => client.query(query));
      const [item] = Items;
      return item && ageOf(item);
    },
  };
}

function ageOf(item: Readonly<Record<string, unknown>>): Age {
  return {
    slot: numberOf(item, 'slot'),
    time: numberOf(item, 'time'),
    expiresAt: numberOf(item, 'expiresAt'),
  };
}

function itemOf(streamId: string, entry: Entry): Record<string, unknown> {
  // DynamoDB removes the item by `expiry`, some days late. The hub itself compares `expiresAt`.
  return { streamId, ...entry, expiry: expiryOf(entry.expiresAt) };
}

/** Returns an entry from its attributes. @throws Error if they are no entry */
export function entryOf(item: Readonly<Record<string, unknown>>): Entry {
  const messages: unknown = item.messages;
  if (!Array.isArray(messages) || !messages.every(isMessage)) throw new Error('stored entry has no messages');
  return { ...ageOf(item), messages, id: textOf(item, 'id') };
}

const isMessage = (value: unknown): value is string | Uint8Array =>
  typeof value === 'string' || value instanceof Uint8Array;

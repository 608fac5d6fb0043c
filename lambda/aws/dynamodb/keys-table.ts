/**
 * The Keys table: one item for each Idempotency-Key in use, key `key`. used-tickets.ts also writes to it.
 * @module
 */
import { type DynamoDBDocumentClient, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import type { KeyStore } from '../../hub/log/log-ports.ts';
import { call } from '../aws-client.ts';
import { callIf, expiryOf } from './document-client.ts';
import { numberOf, textOf } from './stored-attributes.ts';
import { updatesOf } from './update-item.ts';

/** Returns the store of Idempotency-Keys. */
export function keysInDynamoDb(client: DynamoDBDocumentClient, table: string): KeyStore {
  const update = updatesOf(client, table);
  const itemOf = async (key: string) => {
    const get = new GetCommand({ TableName: table, Key: { key }, ConsistentRead: true });
    return (await call(() => client.send(get))).Item;
  };
  return {
    async get(key, now) {
      const Item = await itemOf(key);
      if (!Item || numberOf(Item, 'expiresAt') <= now) return undefined;
      return {
        fingerprint: textOf(Item, 'fingerprint'),
        streamId: textOf(Item, 'streamId'),
        slot: numberOf(Item, 'slot'),
      };
    },

    async put(key, record, now, expiresAt) {
      const put = new PutCommand({
        TableName: table,
        Item: { key, ...record, expiresAt, expiry: expiryOf(expiresAt) },
        ConditionExpression: 'attribute_not_exists(#key) OR expiresAt <= :now',
        ExpressionAttributeNames: { '#key': 'key' },
        ExpressionAttributeValues: { ':now': now },
      });
      if (await callIf(() => client.send(put))) return true;
      // The condition also fails if this very write was carried out, but its first answer was lost inside the SDK.
      const there = await this.get(key, now);
      return there?.slot === record.slot && there.streamId === record.streamId;
    },

    async move(key, from, to) {
      const change = {
        change: 'SET slot = :to',
        condition: 'slot = :from',
        values: { ':from': from, ':to': to },
      };
      if (await update({ key: { key }, ...change })) return true;
      // The same as in `put`. No other publish can have claimed that slot.
      return (await itemOf(key))?.slot === to;
    },
  };
}

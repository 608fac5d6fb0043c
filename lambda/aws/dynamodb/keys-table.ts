/**
 * The Keys table: one item per Idempotency-Key in use, key `key`.
 * @module
 */
import { type DynamoDBDocumentClient, GetCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import type { KeyStore } from '../../hub/log/log-ports.ts';
import { call } from '../aws-client.ts';
import { callIf, expiryOf, numberOf, textOf } from './document-client.ts';

export function keysInDynamoDb(client: DynamoDBDocumentClient, table: string): KeyStore {
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
      // Ours after all, if the first answer was lost inside the SDK.
      const there = await this.get(key, now);
      return there?.slot === record.slot && there.streamId === record.streamId;
    },

    async move(key, from, to) {
      const update = new UpdateCommand({
        TableName: table,
        Key: { key },
        UpdateExpression: 'SET slot = :to',
        ConditionExpression: 'slot = :from',
        ExpressionAttributeValues: { ':from': from, ':to': to },
      });
      if (await callIf(() => client.send(update))) return true;
      // Ours after all, if the first answer was lost inside the SDK. Nobody else has claimed that slot.
      return (await itemOf(key))?.slot === to;
    },
  };
}

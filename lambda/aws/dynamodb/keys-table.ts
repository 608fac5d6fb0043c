/**
 * The Keys table: what was used once, key `key`. One item for each Idempotency-Key in use, and for each used ticket.
 * @module
 */
import type { TicketOptions } from '../../access/ticket.ts';
import type { KeyStore } from '../../hub/log/log-ports.ts';
import { call } from '../aws-client.ts';
import type { DocumentClient, GetInput, PutInput } from '../calls/document-calls.ts';
import { callIf, expiryOf, once } from './document-client.ts';
import { numberOf, textOf } from './stored-attributes.ts';
import { updatesOf } from './update-item.ts';

/** Returns the store of Idempotency-Keys. */
export function keysInDynamoDb(client: DocumentClient, table: string): KeyStore {
  const update = updatesOf(client, table);
  const itemOf = async (key: string) => {
    const get: GetInput = { TableName: table, Key: { key }, ConsistentRead: true };
    return (await call(() => client.get(get))).Item;
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
      const put: PutInput = {
        TableName: table,
        Item: { key, ...record, expiresAt, expiry: expiryOf(expiresAt) },
        ConditionExpression: 'attribute_not_exists(#key) OR expiresAt <= :now',
        ExpressionAttributeNames: { '#key': 'key' },
        ExpressionAttributeValues: { ':now': now },
      };
      if (await callIf(() => client.put(put))) return true;
      // The condition also fails if this very write was carried out, but its first answer was lost inside the client.
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

/** Returns the memory of used tickets. */
export const usedTicketsInDynamoDb =
  (client: DocumentClient, table: string): TicketOptions['use'] =>
  async (id, until) => {
    const put: PutInput = {
      TableName: table,
      // No Idempotency-Key is stored under such a key: those begin with a channel.
      Item: { key: `@ticket#${id}`, expiresAt: until, expiry: expiryOf(until) },
      ConditionExpression: 'attribute_not_exists(#key)',
      ExpressionAttributeNames: { '#key': 'key' },
    };
    // Sent once: a repetition would find the item of its first try, and refuse a valid ticket.
    return (await callIf(() => once((options) => client.put(put, options)))) !== undefined;
  };

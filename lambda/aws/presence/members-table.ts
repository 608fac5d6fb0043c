/**
 * Presence in the Subscribers table: the members of each channel, and the lease of its settler.
 * @module
 */
import { PRESENT_BY } from '../../../protocol/presence.ts';
import type {
  Member,
  MemberStore,
  SettleLeases,
  SettleRow,
  SettleState,
} from '../../hub/presence/presence-ports.ts';
import { BLANK } from '../../hub/presence/settle.ts';
import { call } from '../aws-client.ts';
import type { DeleteInput, DocumentClient, GetInput, PutInput } from '../calls/document-calls.ts';
import { callIf, expiryOf } from '../dynamodb/document-client.ts';
import { asksOf, leasesInDynamoDb } from '../dynamodb/lease-rows.ts';
import { booleanOf, type Item, ifThere, numberOf, oneOf, textOf } from '../dynamodb/stored-attributes.ts';
import { rowsOf } from '../dynamodb/subscribers-table.ts';
import { namesIn, updatesOf } from '../dynamodb/update-item.ts';

const memberKey = (channel: string, id: string) => ({ pattern: `${channel}#here`, connection: id });

/** Returns the store of members. */
export function membersInDynamoDb(client: DocumentClient, table: string): MemberStore {
  const TableName = table;
  const update = updatesOf(client, table);
  return {
    async get(channel, id) {
      const command: GetInput = { TableName, Key: memberKey(channel, id), ConsistentRead: true };
      const { Item } = await call(() => client.get(command));
      return Item && memberOf(Item);
    },
    async put(channel, { id, ...member }) {
      const ConditionExpression = 'attribute_not_exists(#at) OR #at <= :at';
      const command: PutInput = {
        TableName,
        Item: { ...memberKey(channel, id), ...member, expiry: expiryOf(member.keptUntil) },
        ConditionExpression,
        ExpressionAttributeNames: namesIn(ConditionExpression),
        ExpressionAttributeValues: { ':at': member.at },
      };
      await callIf(() => client.put(command));
    },
    async extend(channel, { id, since, until, keptUntil, at }) {
      await update({
        key: memberKey(channel, id),
        change: 'SET #until = :until, #keptUntil = :keptUntil, #expiry = :expiry, #at = :at',
        condition: '#since = :since AND #at <= :at',
        values: {
          ':since': since,
          ':at': at,
          ':until': until,
          ':keptUntil': keptUntil,
          ':expiry': expiryOf(keptUntil),
        },
      });
    },
    async remove(channel, id, by) {
      const ConditionExpression = '#since <= :by';
      const command: DeleteInput = {
        TableName,
        Key: memberKey(channel, id),
        ConditionExpression,
        ExpressionAttributeNames: namesIn(ConditionExpression),
        ExpressionAttributeValues: { ':by': by },
      };
      await callIf(() => client.delete(command));
    },
    async of(channel) {
      return (await rowsOf(client, table, memberKey(channel, '').pattern)).map(memberOf);
    },
  };
}

const memberOf = (item: Item): Member => ({
  id: textOf(item, 'connection'),
  principal: ifThere(item, 'principal', textOf),
  transport: oneOf(item, 'transport', PRESENT_BY),
  since: numberOf(item, 'since'),
  data: textOf(item, 'data'),
  until: numberOf(item, 'until'),
  keptUntil: numberOf(item, 'keptUntil'),
  at: numberOf(item, 'at'),
});

/** How long the row of a lease is stored after the last look, in milliseconds. */
const STORED_MS = 3_600_000;

const settleKey = (channel: string) => ({ pattern: `${channel}#settle`, connection: '#' });

/** Returns the store of the leases of settlers. */
export function settleLeasesInDynamoDb(client: DocumentClient, table: string): SettleLeases {
  const update = updatesOf(client, table);
  return {
    ...leasesInDynamoDb<string, SettleState, SettleRow>(client, table, {
      keyOf: settleKey,
      storedForMs: STORED_MS,
      attributesOf: ({ lookAt, isEmpty }) => ({ lookAt, isEmpty }),
      rowOf: (item) => ({
        lookAt: ifThere(item, 'lookAt', numberOf) ?? BLANK.lookAt,
        isEmpty: ifThere(item, 'isEmpty', booleanOf) ?? BLANK.isEmpty,
        guardedUntil: ifThere(item, 'guarded', numberOf) ?? 0,
        asks: asksOf(item),
      }),
    }),
    async guard(channel, until) {
      await update({
        key: settleKey(channel),
        change: 'SET #guarded = :until',
        condition: 'attribute_exists(#owner) AND (attribute_not_exists(#guarded) OR #guarded < :until)',
        values: { ':until': until },
      });
    },
  };
}

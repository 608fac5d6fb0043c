/**
 * Connections in the Subscribers table, each with the notes of its subscriptions.
 * @module
 */
import { parseCapability } from '../../../protocol/capability.ts';
import type { Connection, ConnectionStore } from '../../hub/push/push-ports.ts';
import { call } from '../aws-client.ts';
import type { DeleteInput, DocumentClient, GetInput, PutInput } from '../calls/document-calls.ts';
import { callIf, expiryOf } from './document-client.ts';
import { quotaInDynamoDb } from './quota-table.ts';
import { type Item, ifThere, keyOf, numberOf, textOf } from './stored-attributes.ts';
import { connectionKey, mapOf, principalKey, rowsOf } from './subscribers-table.ts';
import { namesIn, updatesOf } from './update-item.ts';

/** Returns the store of connections. It also counts the connections of each caller (quota-table.ts). */
export function connectionsInDynamoDb(client: DocumentClient, table: string): ConnectionStore {
  const TableName = table;
  const update = updatesOf(client, table);
  /** A late repetition must not remove the notes that were written to the row since. */
  const putNew = (Item: Item) => {
    const ConditionExpression = 'attribute_not_exists(#pattern)';
    const ExpressionAttributeNames = namesIn(ConditionExpression);
    const command: PutInput = { TableName, Item, ConditionExpression, ExpressionAttributeNames };
    return callIf(() => client.put(command));
  };
  const get = async (id: string): Promise<Connection | undefined> => {
    const command: GetInput = { TableName, Key: connectionKey(id), ConsistentRead: true };
    const { Item } = await call(() => client.get(command));
    return Item && connectionOf(Item);
  };
  const isStored = async (id: string) => (await get(id)) !== undefined;
  const quota = quotaInDynamoDb(client, table, 'connections', isStored);
  return {
    get,
    async add({ id, capability, principal, since, until, ...rest }, most) {
      const booked = await quota.take(principal, { id, since, until }, { most, over: 0 }, since);
      if (!booked) return false;
      const shared = { since, until, expiry: expiryOf(until) };
      const mayDo = { capability: JSON.stringify(capability), principal };
      const item = { ...connectionKey(id), ...mayDo, ...rest, seat: booked.row };
      const byPrincipal =
        principal === undefined ? [] : [{ pattern: principalKey(principal), connection: id }];
      await Promise.all([item, ...byPrincipal].map((row) => putNew({ ...row, ...shared })));
      return true;
    },
    async remove({ id, principal }) {
      // The connection last: if this process dies in between, the next one still finds it, and with it its principal.
      if (principal !== undefined) {
        const Key = { pattern: principalKey(principal), connection: id };
        await call(() => client.delete({ TableName, Key }));
      }
      const command: DeleteInput = { TableName, Key: connectionKey(id), ReturnValues: 'ALL_OLD' };
      const { Attributes: was = {} } = await call(() => client.delete(command));
      const row = ifThere(was, 'seat', numberOf);
      // Without a row, its slot of the quota was given back, or is found without a connection when it is needed.
      if (row === undefined) return;
      const booking = { id, since: numberOf(was, 'since'), until: numberOf(was, 'until') };
      await quota.giveBack({ caller: principal, booking, row });
    },
    async ofPrincipal(principal, by) {
      const rows = await rowsOf(client, table, principalKey(principal));
      const open = rows.filter((row) => numberOf(row, 'since') <= by && numberOf(row, 'until') > by);
      return open.map((row) => textOf(row, 'connection'));
    },
    async note(id, { pattern, shard }, most) {
      const noted = await update({
        key: connectionKey(id),
        change: 'SET subscriptions.#pattern = :shard',
        condition:
          'attribute_exists(subscriptions) AND attribute_not_exists(subscriptions.#pattern) AND size(subscriptions) < :most',
        names: { '#pattern': keyOf(pattern) },
        values: { ':shard': shard, ':most': most },
      });
      if (noted) return 'noted';
      const connection = await get(id);
      if (!connection) return 'gone';
      return Object.hasOwn(connection.subscriptions, pattern) ? 'there' : 'full';
    },
    async unnote(id, pattern) {
      await update({
        key: connectionKey(id),
        change: 'REMOVE subscriptions.#pattern',
        condition: 'attribute_exists(subscriptions)',
        names: { '#pattern': keyOf(pattern) },
      });
    },
  };
}

function connectionOf(item: Item): Connection {
  return {
    id: textOf(item, 'connection'),
    principal: ifThere(item, 'principal', textOf),
    capability: parseCapability(JSON.parse(textOf(item, 'capability'))),
    allowedUntil: ifThere(item, 'allowedUntil', numberOf),
    since: numberOf(item, 'since'),
    until: numberOf(item, 'until'),
    subscriptions: mapOf(item, 'subscriptions', numberOf),
  };
}

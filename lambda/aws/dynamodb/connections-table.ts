/**
 * Connections in the Subscribers table, each with the notes of its subscriptions.
 * @module
 */
import { parseCapability } from '../../../protocol/capability.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import type { QuotaStore } from '../../hub/hold/caller-quota.ts';
import type { Connection, ConnectionStore } from '../../hub/push/push-ports.ts';
import { call } from '../aws-client.ts';
import type { DeleteInput, DocumentClient, GetInput, PutInput, ScanInput } from '../calls/document-calls.ts';
import { callIf, expiryOf } from './document-client.ts';
import { quotaInDynamoDb } from './quota-table.ts';
import { type Item, ifThere, keyOf, numberOf, textOf } from './stored-attributes.ts';
import { connectionKey, mapOf, principalKey, rowsOf } from './subscribers-table.ts';
import { namesIn, type Table, tableOf } from './update-item.ts';

/** Returns the store of connections. It also counts the connections of each caller (quota-table.ts). */
export function connectionsInDynamoDb(client: DocumentClient, name: string): ConnectionStore {
  const table = tableOf(client, name);
  const isStored = async (id: string) => (await get(table)(id)) !== undefined;
  const quota = quotaInDynamoDb(client, name, 'connections', isStored);
  return {
    get: get(table),
    add: add(table, quota),
    remove: remove(table, quota),
    ofPrincipal: ofPrincipal(table),
    list: list(table),
    note: note(table),
    unnote: unnote(table),
  };
}

const get =
  ({ client, TableName }: Table): ConnectionStore['get'] =>
  async (id) => {
    const command: GetInput = { TableName, Key: connectionKey(id), ConsistentRead: true };
    const { Item } = await call(() => client.get(command));
    return Item && connectionOf(Item);
  };

const add =
  (table: Table, quota: QuotaStore): ConnectionStore['add'] =>
  async ({ id, capability, principal, since, until, ...rest }, most) => {
    const booked = await quota.take(principal, { id, since, until }, { most, over: 0 }, since);
    if (!booked) return false;
    const shared = { since, until, expiry: expiryOf(until) };
    const mayDo = { capability: JSON.stringify(capability), principal };
    const item = { ...connectionKey(id), ...mayDo, ...rest, seat: booked.row };
    const byPrincipal = principal === undefined ? [] : [{ pattern: principalKey(principal), connection: id }];
    await Promise.all([item, ...byPrincipal].map((row) => putNew(table, { ...row, ...shared })));
    return true;
  };

/** Writes a row. A late repetition must not remove the notes that were written to the row since. */
async function putNew({ client, TableName }: Table, Item: Item): Promise<void> {
  const ConditionExpression = 'attribute_not_exists(#pattern)';
  const ExpressionAttributeNames = namesIn(ConditionExpression);
  const command: PutInput = { TableName, Item, ConditionExpression, ExpressionAttributeNames };
  await callIf(() => client.put(command));
}

const remove =
  ({ client, TableName }: Table, quota: QuotaStore): ConnectionStore['remove'] =>
  async ({ id, principal }) => {
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
  };

const ofPrincipal =
  ({ client, TableName }: Table): ConnectionStore['ofPrincipal'] =>
  async (principal, by) => {
    const rows = await rowsOf(client, TableName, principalKey(principal));
    const open = rows.filter((row) => numberOf(row, 'since') <= by && numberOf(row, 'until') > by);
    return open.map((row) => textOf(row, 'connection'));
  };

/**
 * Rows that one page of a list looks at, because the table has other rows than connections (subscribers-table.ts). A row has some 300
 * bytes, and a Scan pays for what it looks at: 40 read units, at most 128 for the megabyte at which it stops.
 * https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
 */
const LOOKED_AT = 1_000;

const list =
  ({ client, TableName }: Table): ConnectionStore['list'] =>
  async (after, most) => {
    const scan: ScanInput = {
      TableName,
      Limit: LOOKED_AT,
      // Only the row of a connection has them.
      FilterExpression: 'attribute_exists(subscriptions)',
      ...(after === undefined ? {} : { ExclusiveStartKey: rowKey(fieldsOf(JSON.parse(after))) }),
    };
    const { Items = [], LastEvaluatedKey } = await call(() => client.scan(scan));
    const shown = Items.slice(0, most);
    const last = shown.length < Items.length ? shown.at(-1) : LastEvaluatedKey;
    return { connections: shown.map(connectionOf), after: last && JSON.stringify(rowKey(last)) };
  };

/** Returns the key of a row of any kind. */
const rowKey = (item: Item): Item => ({
  pattern: textOf(item, 'pattern'),
  connection: textOf(item, 'connection'),
});

const note =
  (table: Table): ConnectionStore['note'] =>
  async (id, { pattern, shard }, most) => {
    const noted = await table.update({
      key: connectionKey(id),
      change: 'SET subscriptions.#pattern = :shard',
      condition:
        'attribute_exists(subscriptions) AND attribute_not_exists(subscriptions.#pattern) AND size(subscriptions) < :most',
      names: { '#pattern': keyOf(pattern) },
      values: { ':shard': shard, ':most': most },
    });
    if (noted) return 'noted';
    const connection = await get(table)(id);
    if (!connection) return 'gone';
    return Object.hasOwn(connection.subscriptions, pattern) ? 'there' : 'full';
  };

const unnote =
  ({ update }: Table): ConnectionStore['unnote'] =>
  async (id, pattern) => {
    await update({
      key: connectionKey(id),
      change: 'REMOVE subscriptions.#pattern',
      condition: 'attribute_exists(subscriptions)',
      names: { '#pattern': keyOf(pattern) },
    });
  };

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

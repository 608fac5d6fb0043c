/**
 * The Endpoints table: the endpoints and their registrations. The key is `kind` and `id`. There are three kinds of rows:
 *
 * | kind | id | |
 * |---|---|---|
 * | `endpoint` | its id | an endpoint; all are in one partition, so that a page of them is one Query |
 * | `pattern#{pattern}` | `-` | the endpoints of a pattern: for each, an attribute with its id as name and `since` as value |
 * | `channel#{channel}` | `-` | how far the messages of the channel were handed to its endpoints |
 *
 * An endpoint takes about 50 bytes of a pattern's row. MAX_WEBHOOKS of them take an eighth of the size limit of an item, and
 * reading them costs 13 read units. A row stays after its last endpoint was removed.
 * @module
 */

import { isDeepStrictEqual } from 'node:util';
import { formatOffset } from '../../../protocol/offset.ts';
import { DISABLED_REASONS, ENDPOINT_STATUSES, type Endpoint, FORMATS } from '../../webhook/endpoint.ts';
import type { Delivering } from '../../webhook/webhook-ports.ts';
import type { DispatchCursorStore, EndpointStore } from '../../webhook/webhook-stores.ts';
import { call } from '../aws-client.ts';
import type { DocumentClient, GetInput, PutInput, QueryInput } from '../calls/document-calls.ts';
import { channelOf } from './channels-table.ts';
import { batchGet, batchGetOf, callIf, expiryOf } from './document-client.ts';
import { entryOf } from './entries-table.ts';
import {
  booleanOf,
  type Item,
  ifThere,
  listOf,
  numberOf,
  oneOf,
  positionOf,
  textOf,
} from './stored-attributes.ts';
import { namesIn, type Table, tableOf, updatesOf } from './update-item.ts';

/**
 * How long the cursor of a channel is kept after the last message, in milliseconds: 400 days, longer than any message stays
 * in the log (365).
 */
const CURSOR_KEPT_MS = 400 * 24 * 3_600_000;

const ENDPOINT = 'endpoint';
const endpointKey = (id: string) => ({ kind: ENDPOINT, id });
const patternKey = (pattern: string) => ({ kind: `pattern#${pattern}`, id: '-' });
const channelKey = (channel: string) => ({ kind: `channel#${channel}`, id: '-' });

/** Returns the store of endpoints in DynamoDB. Its methods throw Refusal unavailable if the table is throttled. */
export function endpointsInDynamoDb(client: DocumentClient, name: string): EndpointStore {
  const table = tableOf(client, name);
  return {
    get: get(table),
    create: create(table),
    page: page(table),
    replace: replace(table),
    remove: remove(table),
    listen: listen(table),
    unlisten: unlisten(table),
    listeners: async (patterns) => earliest(await batchGet(client, name, patterns.map(patternKey))),
  };
}

const get =
  ({ client, TableName }: Table): EndpointStore['get'] =>
  async (id) => {
    const command: GetInput = { TableName, Key: endpointKey(id), ConsistentRead: true };
    const { Item } = await call(() => client.get(command));
    return Item && endpointOf(Item);
  };

const create =
  ({ client, TableName }: Table): EndpointStore['create'] =>
  async (endpoint) => {
    const put: PutInput = {
      TableName,
      Item: itemOf(endpoint),
      // Ids are random, so an existing row can only be this one: the client repeats a write whose answer was lost. The row
      // may have been changed since, and must not be overwritten.
      ConditionExpression: 'attribute_not_exists(#id)',
      ExpressionAttributeNames: { '#id': 'id' },
    };
    await callIf(() => client.put(put));
  };

const page =
  ({ client, TableName }: Table): EndpointStore['page'] =>
  async (after, most) => {
    // DynamoDB refuses to compare a key with empty text.
    const condition = `#kind = :kind${after === '' ? '' : ' AND #id > :after'}`;
    const query: QueryInput = {
      TableName,
      KeyConditionExpression: condition,
      ExpressionAttributeNames: namesIn(condition),
      ExpressionAttributeValues: { ':kind': ENDPOINT, ...(after === '' ? {} : { ':after': after }) },
      ConsistentRead: true,
      Limit: most + 1,
    };
    const { Items = [], LastEvaluatedKey } = await call(() => client.query(query));
    const more = Items.length > most || LastEvaluatedKey !== undefined;
    return { endpoints: Items.slice(0, most).map(endpointOf), more };
  };

const replace =
  (table: Table): EndpointStore['replace'] =>
  async (endpoint) => {
    const put: PutInput = {
      TableName: table.TableName,
      Item: itemOf(endpoint),
      ConditionExpression: '#version = :was',
      ExpressionAttributeNames: { '#version': 'version' },
      ExpressionAttributeValues: { ':was': endpoint.version - 1 },
    };
    if (await callIf(() => table.client.put(put))) return true;
    // The stored version may be this change: the answer to the first try may have been lost inside the client.
    return isDeepStrictEqual(await get(table)(endpoint.id), endpoint);
  };

const remove =
  ({ client, TableName }: Table): EndpointStore['remove'] =>
  async (id) => {
    await call(() => client.delete({ TableName, Key: endpointKey(id) }));
  };

const listen =
  ({ update }: Table): EndpointStore['listen'] =>
  async (id, pattern, since) => {
    await update({
      key: patternKey(pattern),
      change: 'SET #endpoint = :since',
      condition: 'attribute_not_exists(#endpoint) OR #endpoint > :since',
      names: { '#endpoint': id },
      values: { ':since': since },
    });
  };

const unlisten =
  ({ update }: Table): EndpointStore['unlisten'] =>
  async (id, pattern, by) => {
    await update({
      key: patternKey(pattern),
      change: 'REMOVE #endpoint',
      // Without the condition the update would create an empty row.
      condition: '#endpoint <= :by',
      names: { '#endpoint': id },
      values: { ':by': by },
    });
  };

/**
 * Returns the store of dispatch cursors in DynamoDB. Its methods throw Refusal unavailable if the table is throttled.
 */
export function dispatchCursorsInDynamoDb(client: DocumentClient, table: string): DispatchCursorStore {
  const update = updatesOf(client, table);
  return {
    async find(channel, patterns) {
      const key = channelKey(channel);
      const items = await batchGet(client, table, [key, ...patterns.map(patternKey)]);
      const at = items.findIndex(({ kind }) => kind === key.kind);
      const [row] = at === -1 ? [] : items.splice(at, 1);
      const cursor = row && { streamId: textOf(row, 'streamId'), at: positionOf(row, 'offset') };
      return { listeners: earliest(items), cursor };
    },
    async move(channel, { streamId, at }, now) {
      await update({
        key: channelKey(channel),
        change: 'SET #streamId = :streamId, #offset = :offset, #expiry = :expiry',
        condition: 'attribute_not_exists(#streamId) OR #streamId <> :streamId OR #offset <= :offset',
        values: {
          ':streamId': streamId,
          ':offset': formatOffset(at),
          ':expiry': expiryOf(now + CURSOR_KEPT_MS),
        },
      });
    },
  };
}

/** Names of the tables of which `readAhead` reads. */
export interface TablesAhead {
  /** Has the endpoint. */
  readonly ENDPOINTS_TABLE: string;
  /** Has the channels of its tasks. */
  readonly CHANNELS_TABLE: string;
  /** Has the entries of its tasks. */
  readonly ENTRIES_TABLE: string;
}

/**
 * Returns the function that reads an endpoint with the channels and entries of its tasks. A call for each table would wait for the
 * one before. It throws Refusal unavailable if a table is throttled.
 */
export const readAheadInDynamoDb =
  (client: DocumentClient, tables: TablesAhead): Delivering['readAhead'] =>
  async (endpoint, channels, entries) => {
    const { ENDPOINTS_TABLE, CHANNELS_TABLE, ENTRIES_TABLE } = tables;
    const found = await batchGetOf(client, {
      [ENDPOINTS_TABLE]: [endpointKey(endpoint)],
      [CHANNELS_TABLE]: channels.map((channel) => ({ channel })),
      [ENTRIES_TABLE]: entries.map(({ streamId, slot }) => ({ streamId, slot })),
    });
    const [row] = found(ENDPOINTS_TABLE);
    return {
      endpoint: row && endpointOf(row),
      channels: new Map(
        found(CHANNELS_TABLE)
          .map(channelOf)
          .map((one) => [one.name, one]),
      ),
      entries: found(ENTRIES_TABLE).map((item) => ({
        ...entryOf(item),
        streamId: textOf(item, 'streamId'),
      })),
    };
  };

/** Returns the endpoints in rows of patterns, each with its earliest moment. */
function earliest(rows: readonly Item[]): ReadonlyMap<string, number> {
  const listeners = new Map<string, number>();
  for (const { kind: _kind, id: _id, ...endpoints } of rows)
    for (const endpoint of Object.keys(endpoints)) {
      const since = numberOf(endpoints, endpoint);
      listeners.set(endpoint, Math.min(since, listeners.get(endpoint) ?? since));
    }
  return listeners;
}

const itemOf = (endpoint: Endpoint): Record<string, unknown> => ({ kind: ENDPOINT, ...endpoint });

const textIn = (value: unknown): string => textOf({ value }, 'value');

function endpointOf(item: Item): Endpoint {
  return {
    id: textOf(item, 'id'),
    url: textOf(item, 'url'),
    channels: listOf(item, 'channels', textIn),
    types: listOf(item, 'types', textIn),
    format: oneOf(item, 'format', FORMATS),
    description: textOf(item, 'description'),
    rate: ifThere(item, 'rate', numberOf),
    status: oneOf(item, 'status', ENDPOINT_STATUSES),
    reason: ifThere(item, 'reason', (_, name) => oneOf(item, name, DISABLED_REASONS)),
    handshake: booleanOf(item, 'handshake'),
    principal: ifThere(item, 'principal', textOf),
    createdAt: numberOf(item, 'createdAt'),
    enabledAt: numberOf(item, 'enabledAt'),
    sealed: textOf(item, 'sealed'),
    version: numberOf(item, 'version'),
  };
}

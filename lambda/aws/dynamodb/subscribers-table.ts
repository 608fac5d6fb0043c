/**
 * The Subscribers table: who listens. Key `pattern` and `connection`; six kinds of rows, told apart by the pattern:
 *
 * | pattern | connection | holds | written by |
 * |---|---|---|---|
 * | `{pattern}#{shard}` | its id | one subscription | subscriptions-table.ts |
 * | `{pattern}#` | `#` | what is known of a pattern, such as its number of shards | subscriptions-table.ts |
 * | `@{connection}` | its id | the connection, with a note of its subscriptions | connections-table.ts |
 * | `@@{principal}` | its id | a connection that was opened by a token of the principal | connections-table.ts |
 * | `{channel}#wait` | its id | a process that holds requests of the channel | this file |
 * | `#{kind}:{hash of a caller}` | `#{row}` | slots of the quota that the caller uses | quota-table.ts |
 *
 * No pattern contains `#` or `@`, and no id of a connection begins with `@`. The notes make an index by connection needless,
 * which would double the price of every write.
 * @module
 */
import type { PatternShard, WaitStore } from '../../hub/push/push-ports.ts';
import { call } from '../aws-client.ts';
import type { DocumentClient, PutInput, QueryInput } from '../calls/document-calls.ts';
import { expiryOf } from './document-client.ts';
import { type Item, nameOfKey, numberOf, textOf } from './stored-attributes.ts';

/** Returns the partition key of the subscriptions of a shard. */
export const shardKey = ({ pattern, shard }: PatternShard) => `${pattern}#${shard}`;

/** Returns the key of the row that says what is known of a pattern. */
export const patternKey = (pattern: string) => ({ pattern: `${pattern}#`, connection: '#' });

/** Returns the key of the row of a connection. */
export const connectionKey = (id: string) => ({ pattern: `@${id}`, connection: id });

/** Returns the partition key of the connections of a principal. */
export const principalKey = (principal: string) => `@@${principal}`;

/** Returns all rows of a partition. The read is consistent: an owner must see every subscriber that was told so. */
export async function rowsOf(client: DocumentClient, table: string, pattern: string): Promise<Item[]> {
  const items: Item[] = [];
  let from: Item | undefined;
  do {
    const query: QueryInput = {
      TableName: table,
      KeyConditionExpression: 'pattern = :pattern',
      ExpressionAttributeValues: { ':pattern': pattern },
      ConsistentRead: true,
      ...(from ? { ExclusiveStartKey: from } : {}),
    };
    const { Items = [], LastEvaluatedKey } = await call(() => client.query(query));
    items.push(...Items);
    from = LastEvaluatedKey;
  } while (from);
  return items;
}

/** Returns a stored map by the names that callers chose (keyOf). @throws Error if the attribute is no map */
export function mapOf<T>(item: Item, name: string, read: (map: Item, key: string) => T): Record<string, T> {
  const value = item[name];
  if (typeof value !== 'object' || value === null) throw new Error(`stored item has no map ${name}`);
  const map: Item = { ...value };
  return Object.fromEntries(Object.keys(map).map((key) => [nameOfKey(key), read(map, key)]));
}

/** Returns the partition key of the processes that hold requests of a channel. */
const waitKey = (channel: string) => `${channel}#wait`;

/** In milliseconds: a row outlasts two holds. The process renews it while it waits, and a reader compares `until`. */
const SHOWN_FOR_MS = 60_000;

/** Returns the store of waits. */
export function waitsInDynamoDb(client: DocumentClient, table: string): WaitStore {
  return {
    shownForMs: SHOWN_FOR_MS,
    async show(channel, connection, now) {
      const until = now + SHOWN_FOR_MS;
      const row = { pattern: waitKey(channel), connection, until, expiry: expiryOf(until) };
      const put: PutInput = { TableName: table, Item: row };
      await call(() => client.put(put));
    },
    async waiting(channel, now) {
      const rows = await rowsOf(client, table, waitKey(channel));
      return rows.filter((row) => numberOf(row, 'until') > now).map((row) => textOf(row, 'connection'));
    },
    async remove(channel, connection) {
      const Key = { pattern: waitKey(channel), connection };
      await call(() => client.delete({ TableName: table, Key }));
    },
  };
}

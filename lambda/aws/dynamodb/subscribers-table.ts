/**
 * The Subscribers table: who listens. Key `pattern` and `connection`; nine kinds of rows, told apart by the pattern:
 *
 * | pattern | connection | holds | written by |
 * |---|---|---|---|
 * | `{pattern}#{shard}` | its id | one subscription | subscriptions-table.ts |
 * | `{pattern}#` | `#` | what is known of a pattern, such as its number of shards | subscriptions-table.ts |
 * | `@{connection}` | its id | the connection, with a note of its subscriptions | connections-table.ts |
 * | `@@{principal}` | its id | a connection that was opened by a token of the principal | connections-table.ts |
 * | `{channel}#wait` | `#` | the processes that hold requests of the channel, up to 20 | this file |
 * | `{channel}#wait` | its id | one more of them | this file |
 * | `{channel}#here` | its id | a member of a channel with presence | ../presence/members-table.ts |
 * | `{channel}#settle` | `#` | the lease of the process that publishes who is there | ../presence/members-table.ts |
 * | `#{kind}:{hash of a caller}` | `#{row}` | slots of the quota that the caller uses | quota-table.ts |
 *
 * No pattern contains `#` or `@`, and no id of a connection begins with `@`. The notes make an index by connection needless,
 * which would double the price of every write.
 * @module
 */

import type { PatternShard, Waiting, WaitStore } from '../../hub/push/push-ports.ts';
import { call } from '../aws-client.ts';
import type { DocumentClient, QueryInput } from '../calls/document-calls.ts';
import { expiryOf } from './document-client.ts';
import { type Item, ifThere, nameOfKey, numberOf, textOf } from './stored-attributes.ts';
import { updatesOf } from './update-item.ts';

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

/** Returns the key of the row that has the first processes that hold requests of a channel. */
export const waitKey = (channel: string) => ({ pattern: `${channel}#wait`, connection: '#' });

/**
 * In milliseconds: how long a process is shown. That is longer than two holds. The process shows itself again while it waits, and a
 * reader compares the time.
 */
const SHOWN_FOR_MS = 60_000;

/** The most processes in the first row, which has about 1 KB then: the size that one write unit pays for. */
const FIRST_ROW_ROOM = 20;

/** Processes that are over, from which on they are removed from the first row. */
const MOST_OVER = 10;

/** Marks the attribute of a process, which has its name. The value is the time until which the process is shown. */
const SHOWN = '@';

const shownIn = (item: Item) =>
  Object.keys(item).flatMap((name) =>
    name.startsWith(SHOWN) ? [{ name, until: numberOf(item, name) }] : [],
  );

/** Returns who waits on a channel, by its first row. */
export const waitingIn = (item: Item | undefined, now: number): Waiting => ({
  names: shownIn(item ?? {}).flatMap(({ name, until }) => (until > now ? [name.slice(SHOWN.length)] : [])),
  hasOthers: ((item && ifThere(item, 'others', numberOf)) ?? 0) > now,
});

/**
 * Returns the store of waits. A process is an attribute of the first row of its channel, which the push finds in the same call as the
 * subscribers. When that row is full, a process has a row of its own, and the first row says that there are others.
 */
export function waitsInDynamoDb(client: DocumentClient, table: string): WaitStore {
  const update = updatesOf(client, table);
  return {
    shownForMs: SHOWN_FOR_MS,
    async show(channel, connection, now) {
      const until = now + SHOWN_FOR_MS;
      const row = await update({
        key: waitKey(channel),
        change: 'SET #process = :until, #expiry = :expiry',
        names: { '#process': SHOWN + connection },
        values: { ':until': until, ':expiry': expiryOf(until) },
        returns: 'ALL_NEW',
      });
      const shown = shownIn(row ?? {});
      const over = shown.filter((one) => one.until <= now).slice(0, FIRST_ROW_ROOM);
      if (shown.length - over.length > FIRST_ROW_ROOM) await moveOut(update, channel, connection, until);
      if (over.length >= MOST_OVER) await removeOver(update, channel, over);
    },
    async others(channel, now) {
      const rows = await rowsOf(client, table, waitKey(channel).pattern);
      const own = rows.filter(({ connection }) => connection !== waitKey(channel).connection);
      return own.filter((row) => numberOf(row, 'until') > now).map((row) => textOf(row, 'connection'));
    },
    async remove(channel, connection) {
      const first = { '#process': SHOWN + connection };
      const Key = { pattern: waitKey(channel).pattern, connection };
      await Promise.all([
        update({
          key: waitKey(channel),
          change: 'REMOVE #process',
          condition: 'attribute_exists(#process)',
          names: first,
        }),
        call(() => client.delete({ TableName: table, Key })),
      ]);
    },
  };
}

type SendUpdate = ReturnType<typeof updatesOf>;

/** Removes processes whose time is over, unless one of them was shown again meanwhile. */
async function removeOver(
  update: SendUpdate,
  channel: string,
  over: readonly { readonly name: string; readonly until: number }[],
): Promise<void> {
  const numbered = [...over.entries()];
  await update({
    key: waitKey(channel),
    change: `REMOVE ${numbered.map(([at]) => `#p${at}`).join(', ')}`,
    condition: numbered.map(([at]) => `#p${at} = :until${at}`).join(' AND '),
    names: Object.fromEntries(numbered.map(([at, { name }]) => [`#p${at}`, name])),
    values: Object.fromEntries(numbered.map(([at, { until }]) => [`:until${at}`, until])),
  });
}

/** Moves a process from the first row to its own. The own row is written first: the push finds the process at any moment. */
async function moveOut(
  update: SendUpdate,
  channel: string,
  connection: string,
  until: number,
): Promise<void> {
  const times = { ':until': until, ':expiry': expiryOf(until) };
  const { pattern } = waitKey(channel);
  await update({
    key: { pattern, connection },
    change: 'SET #until = :until, #expiry = :expiry',
    values: times,
  });
  await update({
    key: waitKey(channel),
    change: 'SET #others = :until, #expiry = :expiry REMOVE #process',
    names: { '#process': SHOWN + connection },
    values: times,
  });
}

/**
 * The Subscribers table: who listens. Key `pattern` and `connection`; five kinds of rows, told apart by the pattern:
 *
 * | pattern | connection | |
 * |---|---|---|
 * | `{pattern}#{shard}` | its id | one subscription |
 * | `{pattern}#` | `#` | what is known of a pattern: its number of shards |
 * | `@{connection}` | its id | the connection itself, with a note of its subscriptions |
 * | `@@{principal}` | its id | a connection by whose token it was opened |
 * | `{channel}#wait` | its id | a process that holds readers of the channel |
 * | `#{kind}:{hash of a caller}` | `#{row}` | how much of that a caller has (tally-dynamodb.ts) |
 *
 * Neither `#` nor `@` is in any pattern, and no id of a connection begins with `@`. The notes make an index by connection needless, which would double every write.
 * @module
 */
import {
  DeleteCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { parseCapability } from '../../../protocol/capability.ts';
import { CONNECTION_LIFE_MS } from '../../../protocol/limits.ts';
import { formatOffset, parseOffset } from '../../../protocol/offset.ts';
import {
  type Connection,
  type OwnCursor,
  ownCursorIn,
  type PatternShard,
  type Subscriber,
  type SubscriberStore,
} from '../../hub/push/push-ports.ts';
import { EXPIRED } from '../../hub/push/subscribe.ts';
import { call } from '../aws-client.ts';
import { batchGet, callIf, expiryOf } from './document-client.ts';
import { quotaInDynamoDb } from './quota-table.ts';
import { keyOf, nameOfKey, numberOf, textOf } from './stored-attributes.ts';
import { namesIn } from './update-item.ts';

type Item = Readonly<Record<string, unknown>>;

const setKey = ({ pattern, shard }: PatternShard) => `${pattern}#${shard}`;
const patternKey = (pattern: string) => ({ pattern: `${pattern}#`, connection: '#' });
const connectionKey = (id: string) => ({ pattern: `@${id}`, connection: id });
const principalKey = (principal: string) => `@@${principal}`;
export const waitKey = (channel: string) => `${channel}#wait`;

export function subscribersInDynamoDb(client: DynamoDBDocumentClient, table: string): SubscriberStore {
  const TableName = table;
  /** A late repetition must not take away what was noted on the row since. */
  const putNew = (Item: Item) => {
    const ConditionExpression = 'attribute_not_exists(#pattern)';
    const ExpressionAttributeNames = namesIn(ConditionExpression);
    const command = new PutCommand({ TableName, Item, ConditionExpression, ExpressionAttributeNames });
    return callIf(() => client.send(command));
  };
  const remove = (Key: Item) => call(() => client.send(new DeleteCommand({ TableName, Key })));
  const query = (pattern: string) => queryAll(client, table, pattern);
  const connection = async (id: string): Promise<Connection | undefined> => {
    const get = new GetCommand({ TableName, Key: connectionKey(id), ConsistentRead: true });
    const { Item } = await call(() => client.send(get));
    return Item && connectionOf(Item);
  };
  const member = async (set: PatternShard, of: string): Promise<Subscriber | undefined> => {
    const Key = { pattern: setKey(set), connection: of };
    const { Item } = await call(() => client.send(new GetCommand({ TableName, Key, ConsistentRead: true })));
    return Item && subscriberOf(Item);
  };
  const isNoted = async (id: string) => (await connection(id)) !== undefined;
  const tally = quotaInDynamoDb(client, table, 'connections', isNoted);
  /** Those who joined so long ago have left, or joined again. */
  const countAnew = async (pattern: string, since: number, now: number): Promise<void> => {
    const update = new UpdateCommand({
      TableName,
      Key: patternKey(pattern),
      UpdateExpression: 'SET joined = :one, #since = :now',
      ConditionExpression: '#since = :since',
      ExpressionAttributeNames: { '#since': 'since' },
      ExpressionAttributeValues: { ':one': 1, ':now': now, ':since': since },
    });
    await callIf(() => client.send(update));
  };
  return {
    connection,
    async connect({ id, capability, principal, since, until, ...rest }, most) {
      const kept = await tally.take(principal, { id, since, until }, { most, over: 0 }, since);
      if (!kept) return false;
      const shared = { since, until, expiry: expiryOf(until) };
      const mayDo = { capability: JSON.stringify(capability), principal };
      const item = { ...connectionKey(id), ...mayDo, ...rest, seat: kept.row };
      const byPrincipal =
        principal === undefined ? [] : [{ pattern: principalKey(principal), connection: id }];
      await Promise.all([item, ...byPrincipal].map((row) => putNew({ ...row, ...shared })));
      return true;
    },
    async disconnect({ id, principal }) {
      // In this order: whoever dies in between is followed by one who finds the connection, and with it its principal.
      if (principal !== undefined) await remove({ pattern: principalKey(principal), connection: id });
      const command = new DeleteCommand({ TableName, Key: connectionKey(id), ReturnValues: 'ALL_OLD' });
      const { Attributes: was = {} } = await call(() => client.send(command));
      const row = optionalNumber(was, 'seat');
      // Where the row has gone already, its seat was given back, or is found without a connection when it is needed.
      if (row === undefined) return;
      const booking = { id, since: numberOf(was, 'since'), until: numberOf(was, 'until') };
      await tally.giveBack({ caller: principal, booking, row });
    },
    async connectionsOf(principal, by) {
      const rows = await query(principalKey(principal));
      const there = rows.filter((row) => numberOf(row, 'since') <= by && numberOf(row, 'until') > by);
      return there.map((row) => textOf(row, 'connection'));
    },
    async note(id, { pattern, shard }, most) {
      const update = new UpdateCommand({
        TableName,
        Key: connectionKey(id),
        UpdateExpression: 'SET subscriptions.#pattern = :shard',
        ConditionExpression:
          'attribute_exists(subscriptions) AND attribute_not_exists(subscriptions.#pattern) AND size(subscriptions) < :most',
        ExpressionAttributeNames: { '#pattern': keyOf(pattern) },
        ExpressionAttributeValues: { ':shard': shard, ':most': most },
      });
      if (await callIf(() => client.send(update))) return 'noted';
      const there = await connection(id);
      if (!there) return 'gone';
      return Object.hasOwn(there.subscriptions, pattern) ? 'there' : 'full';
    },
    async unnote(id, pattern) {
      const update = new UpdateCommand({
        TableName,
        Key: connectionKey(id),
        UpdateExpression: 'REMOVE subscriptions.#pattern',
        ConditionExpression: 'attribute_exists(subscriptions)',
        ExpressionAttributeNames: { '#pattern': keyOf(pattern) },
      });
      await callIf(() => client.send(update));
    },
    async open(pattern, now, until) {
      const update = new UpdateCommand({
        TableName,
        Key: patternKey(pattern),
        UpdateExpression:
          'SET shards = if_not_exists(shards, :one), #since = if_not_exists(#since, :now), #until = :until, expiry = :expiry ADD joined :one',
        ExpressionAttributeNames: { '#until': 'until', '#since': 'since' },
        ExpressionAttributeValues: { ':one': 1, ':now': now, ':until': until, ':expiry': expiryOf(until) },
        ReturnValues: 'ALL_NEW',
      });
      const { Attributes = {} } = await call(() => client.send(update));
      const since = numberOf(Attributes, 'since');
      const isOld = now - since > CONNECTION_LIFE_MS;
      if (isOld) await countAnew(pattern, since, now);
      return { shards: numberOf(Attributes, 'shards'), joined: isOld ? 1 : numberOf(Attributes, 'joined') };
    },
    async shardsOf(patterns, now) {
      const items = await batchGet(client, table, patterns.map(patternKey));
      const known = items.filter((item) => numberOf(item, 'until') > now);
      return new Map(known.map((item) => [textOf(item, 'pattern').slice(0, -1), numberOf(item, 'shards')]));
    },
    async split(pattern, shards) {
      const update = new UpdateCommand({
        TableName,
        Key: patternKey(pattern),
        UpdateExpression: 'SET shards = :twice',
        ConditionExpression: 'shards = :shards',
        ExpressionAttributeValues: { ':shards': shards, ':twice': 2 * shards },
      });
      await callIf(() => client.send(update));
    },
    async add(set, { places, ...rest }, isNew) {
      const stored = Object.entries(places).map(([channel, place]) => [keyOf(channel), placeText(place)]);
      const item = { pattern: setKey(set), ...rest, places: Object.fromEntries(stored) };
      const condition = 'attribute_not_exists(#connection) OR #allowedUntil <= :since';
      const ConditionExpression = isNew ? `${condition} OR #since < :since` : condition;
      const command = new PutCommand({
        TableName,
        Item: { ...item, expiry: expiryOf(rest.until) },
        ConditionExpression,
        ExpressionAttributeNames: namesIn(ConditionExpression),
        ExpressionAttributeValues: { ':since': rest.since },
      });
      if (await callIf(() => client.send(command))) return true;
      return (await member(set, rest.connection))?.id === rest.id;
    },
    member,
    members: async (set) => (await query(setKey(set))).map(subscriberOf),
    async move(set, subscriber, channel, place) {
      const { id, connection: to, joins } = subscriber;
      const was = ownCursorIn(subscriber, channel);
      const there = was
        ? 'places.#channel = :was'
        : 'attribute_not_exists(places.#channel) AND joins = :joins';
      const update = new UpdateCommand({
        TableName,
        Key: { pattern: setKey(set), connection: to },
        UpdateExpression: place ? 'SET places.#channel = :place' : 'REMOVE places.#channel ADD joins :one',
        ConditionExpression: `id = :id AND ${there}`,
        ExpressionAttributeNames: { '#channel': keyOf(channel) },
        ExpressionAttributeValues: {
          ':id': id,
          ...(was ? { ':was': placeText(was) } : { ':joins': joins }),
          ...(place ? { ':place': placeText(place) } : { ':one': 1 }),
        },
      });
      return (await callIf(() => client.send(update))) !== undefined;
    },
    async expire(set, { id, connection: of }) {
      const update = new UpdateCommand({
        TableName,
        Key: { pattern: setKey(set), connection: of },
        UpdateExpression: 'SET allowedUntil = :expired, places = :none',
        ConditionExpression: 'id = :id',
        ExpressionAttributeValues: { ':id': id, ':expired': EXPIRED, ':none': {} },
      });
      await callIf(() => client.send(update));
    },
    async remove(set, from, which) {
      const Key = { pattern: setKey(set), connection: from };
      if (which === undefined) return void (await remove(Key));
      const ConditionExpression = 'id' in which ? '#id = :which' : '#since <= :which';
      const command = new DeleteCommand({
        TableName,
        Key,
        ConditionExpression,
        ExpressionAttributeNames: namesIn(ConditionExpression),
        ExpressionAttributeValues: { ':which': 'id' in which ? which.id : which.by },
      });
      await callIf(() => client.send(command));
    },
    async waits(channel, now) {
      const rows = await query(waitKey(channel));
      return rows.filter((row) => numberOf(row, 'until') > now).map((row) => textOf(row, 'connection'));
    },
    async removeWait(channel, from) {
      await remove({ pattern: waitKey(channel), connection: from });
    },
  };
}

/** Consistent: an owner must see everyone who was told that he is subscribed. */
async function queryAll(client: DynamoDBDocumentClient, table: string, pattern: string): Promise<Item[]> {
  const items: Item[] = [];
  let from: Item | undefined;
  do {
    const query = new QueryCommand({
      TableName: table,
      KeyConditionExpression: 'pattern = :pattern',
      ExpressionAttributeValues: { ':pattern': pattern },
      ConsistentRead: true,
      ...(from ? { ExclusiveStartKey: from } : {}),
    });
    const { Items = [], LastEvaluatedKey } = await call(() => client.send(query));
    items.push(...Items);
    from = LastEvaluatedKey;
  } while (from);
  return items;
}

/** An offset; `?` if the frame that began there may have arrived; how often and until when its subscriber rests; the term it was written in. */
const PLACE = /^(\d{16})(\?)?(?:\+(\d+)@(\d+))?(?:~(\d+))?$/;

function placeText({ at, isUnsure, rests, restsUntil, term }: OwnCursor): string {
  const rest = rests > 0 ? `+${rests}@${restsUntil}` : '';
  return `${formatOffset(at)}${isUnsure ? '?' : ''}${rest}${term > 0 ? `~${term}` : ''}`;
}

function placeOf(text: string): OwnCursor {
  const [, offset = '', mark, rests = '0', restsUntil = '0', term = '0'] = PLACE.exec(text) ?? [];
  const at = parseOffset(offset);
  if (!at) throw new Error('stored place is no offset');
  const rest = { rests: Number(rests), restsUntil: Number(restsUntil) };
  return { at, isUnsure: mark !== undefined, ...rest, term: Number(term) };
}

const optionalNumber = (item: Item, name: string): number | undefined =>
  item[name] === undefined ? undefined : numberOf(item, name);

function mapOf<T>(item: Item, name: string, read: (map: Item, key: string) => T): Record<string, T> {
  const value = item[name];
  if (typeof value !== 'object' || value === null) throw new Error(`stored item has no map ${name}`);
  const map: Item = { ...value };
  return Object.fromEntries(Object.keys(map).map((key) => [nameOfKey(key), read(map, key)]));
}

function subscriberOf(item: Item): Subscriber {
  return {
    id: textOf(item, 'id'),
    connection: textOf(item, 'connection'),
    since: numberOf(item, 'since'),
    until: numberOf(item, 'until'),
    allowedUntil: optionalNumber(item, 'allowedUntil'),
    joins: numberOf(item, 'joins'),
    places: mapOf(item, 'places', (map, channel) => placeOf(textOf(map, channel))),
  };
}

function connectionOf(item: Item): Connection {
  return {
    id: textOf(item, 'connection'),
    principal: item.principal === undefined ? undefined : textOf(item, 'principal'),
    capability: parseCapability(JSON.parse(textOf(item, 'capability'))),
    allowedUntil: optionalNumber(item, 'allowedUntil'),
    since: numberOf(item, 'since'),
    until: numberOf(item, 'until'),
    subscriptions: mapOf(item, 'subscriptions', numberOf),
  };
}

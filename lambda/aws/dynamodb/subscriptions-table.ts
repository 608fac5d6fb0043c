/**
 * Subscriptions in the Subscribers table, and the number of shards of each pattern.
 * @module
 */

import { CONNECTION_LIFE_MS } from '../../../protocol/limits.ts';
import { formatOffset, parseOffset } from '../../../protocol/offset.ts';
import {
  type OwnCursor,
  ownCursorIn,
  type Subscriber,
  type SubscriptionStore,
} from '../../hub/push/push-ports.ts';
import { EXPIRED } from '../../hub/push/subscribe.ts';
import { call } from '../aws-client.ts';
import type { DeleteInput, DocumentClient, GetInput, PutInput } from '../calls/document-calls.ts';
import { callIf, expiryOf } from './document-client.ts';
import { type Item, ifThere, keyOf, numberOf, textOf } from './stored-attributes.ts';
import { mapOf, patternKey, rowsOf, shardKey } from './subscribers-table.ts';
import { namesIn, type Table, tableOf } from './update-item.ts';

/** Returns the store of subscriptions. */
export function subscriptionsInDynamoDb(client: DocumentClient, name: string): SubscriptionStore {
  const table = tableOf(client, name);
  return {
    shardsOf: shardsOf(table),
    open: open(table),
    noteChange: noteChange(table),
    split: split(table),
    add: add(table),
    member: member(table),
    members: async (set) => (await rowsOf(client, name, shardKey(set))).map(subscriberOf),
    move: move(table),
    expire: expire(table),
    remove: remove(table),
  };
}

const shardsOf =
  ({ client, TableName }: Table): SubscriptionStore['shardsOf'] =>
  async (pattern) => {
    const get: GetInput = { TableName, Key: patternKey(pattern), ConsistentRead: true };
    const { Item } = await call(() => client.get(get));
    return Item ? numberOf(Item, 'shards') : 1;
  };

const open =
  (table: Table): SubscriptionStore['open'] =>
  async (pattern, now, until) => {
    const row =
      (await table.update({
        key: patternKey(pattern),
        change:
          'SET shards = if_not_exists(shards, :one), #since = if_not_exists(#since, :now), #until = :until, expiry = :expiry ADD joined :one, #version :one',
        values: { ':one': 1, ':now': now, ':until': until, ':expiry': expiryOf(until) },
        returns: 'ALL_NEW',
      })) ?? {};
    const since = numberOf(row, 'since');
    const isOld = now - since > CONNECTION_LIFE_MS;
    if (isOld) await restartCount(table, pattern, since, now);
    return isOld ? 1 : numberOf(row, 'joined');
  };

/**
 * Restarts the count of joins at one. A connection lives two hours at most, so the members of the old count have left or joined
 * again.
 */
async function restartCount({ update }: Table, pattern: string, since: number, now: number): Promise<void> {
  await update({
    key: patternKey(pattern),
    change: 'SET joined = :one, #since = :now',
    condition: '#since = :since',
    values: { ':one': 1, ':now': now, ':since': since },
  });
}

const noteChange =
  ({ update }: Table): SubscriptionStore['noteChange'] =>
  async (pattern) => {
    await update({
      key: patternKey(pattern),
      // A late repetition counts once more, which is harmless.
      change: 'ADD #version :one',
      condition: 'attribute_exists(shards)',
      values: { ':one': 1 },
    });
  };

const split =
  ({ update }: Table): SubscriptionStore['split'] =>
  async (pattern, shards) => {
    await update({
      key: patternKey(pattern),
      change: 'SET shards = :twice',
      condition: 'shards = :shards',
      values: { ':shards': shards, ':twice': 2 * shards },
    });
  };

const member =
  ({ client, TableName }: Table): SubscriptionStore['member'] =>
  async (set, connection) => {
    const Key = { pattern: shardKey(set), connection };
    const { Item } = await call(() => client.get({ TableName, Key, ConsistentRead: true }));
    return Item && subscriberOf(Item);
  };

const add =
  (table: Table): SubscriptionStore['add'] =>
  async (set, { ownCursors, ...rest }, isNew) => {
    const places = Object.entries(ownCursors).map(([channel, own]) => [keyOf(channel), cursorText(own)]);
    const item = { pattern: shardKey(set), ...rest, places: Object.fromEntries(places) };
    const condition = 'attribute_not_exists(#connection) OR #allowedUntil <= :since';
    const ConditionExpression = isNew ? `${condition} OR #since < :since` : condition;
    const command: PutInput = {
      TableName: table.TableName,
      Item: { ...item, expiry: expiryOf(rest.until) },
      ConditionExpression,
      ExpressionAttributeNames: namesIn(ConditionExpression),
      ExpressionAttributeValues: { ':since': rest.since },
    };
    if (await callIf(() => table.client.put(command))) return true;
    return (await member(table)(set, rest.connection))?.id === rest.id;
  };

const move =
  ({ update }: Table): SubscriptionStore['move'] =>
  async (set, subscriber, channel, cursor) => {
    const { id, connection, joins } = subscriber;
    const was = ownCursorIn(subscriber, channel);
    const isUnmoved = was
      ? 'places.#channel = :was'
      : 'attribute_not_exists(places.#channel) AND joins = :joins';
    return (
      (await update({
        key: { pattern: shardKey(set), connection },
        change: cursor ? 'SET places.#channel = :place' : 'REMOVE places.#channel ADD joins :one',
        condition: `id = :id AND ${isUnmoved}`,
        names: { '#channel': keyOf(channel) },
        values: {
          ':id': id,
          ...(was ? { ':was': cursorText(was) } : { ':joins': joins }),
          ...(cursor ? { ':place': cursorText(cursor) } : { ':one': 1 }),
        },
      })) !== undefined
    );
  };

const expire =
  ({ update }: Table): SubscriptionStore['expire'] =>
  async (set, { id, connection }) => {
    await update({
      key: { pattern: shardKey(set), connection },
      change: 'SET allowedUntil = :expired, places = :none',
      condition: 'id = :id',
      values: { ':id': id, ':expired': EXPIRED, ':none': {} },
    });
  };

const remove =
  ({ client, TableName }: Table): SubscriptionStore['remove'] =>
  async (set, connection, which) => {
    const Key = { pattern: shardKey(set), connection };
    if (which === undefined) {
      await call(() => client.delete({ TableName, Key }));
      return;
    }
    const ConditionExpression = 'id' in which ? '#id = :which' : '#since <= :which';
    const command: DeleteInput = {
      TableName,
      Key,
      ConditionExpression,
      ExpressionAttributeNames: namesIn(ConditionExpression),
      ExpressionAttributeValues: { ':which': 'id' in which ? which.id : which.by },
    };
    await callIf(() => client.delete(command));
  };

/**
 * The text of an own cursor: the offset, then `?` if the frame that begins there may have arrived, then
 * `+{backoffs}@{backoffUntil}`, then `~{term}`. All but the offset are optional. It is one text, so that a condition can compare
 * all of it at once.
 */
const OWN_CURSOR = /^(\d{16}(?:_\d{16})?)(\?)?(?:\+(\d+)@(\d+))?(?:~(\d+))?$/;

function cursorText({ at, isUnsure, backoffs, backoffUntil, term }: OwnCursor): string {
  const backoff = backoffs > 0 ? `+${backoffs}@${backoffUntil}` : '';
  return `${formatOffset(at)}${isUnsure ? '?' : ''}${backoff}${term > 0 ? `~${term}` : ''}`;
}

function cursorIn(text: string): OwnCursor {
  const [, offset = '', mark, backoffs = '0', backoffUntil = '0', term = '0'] = OWN_CURSOR.exec(text) ?? [];
  const at = parseOffset(offset);
  if (!at) throw new Error('stored own cursor has no offset');
  const backoff = { backoffs: Number(backoffs), backoffUntil: Number(backoffUntil) };
  return { at, isUnsure: mark !== undefined, ...backoff, term: Number(term) };
}

function subscriberOf(item: Item): Subscriber {
  return {
    id: textOf(item, 'id'),
    connection: textOf(item, 'connection'),
    since: numberOf(item, 'since'),
    until: numberOf(item, 'until'),
    allowedUntil: ifThere(item, 'allowedUntil', numberOf),
    joins: numberOf(item, 'joins'),
    ...(item.isConflated === true ? { isConflated: true } : {}),
    ownCursors: mapOf(item, 'places', (map, channel) => cursorIn(textOf(map, channel))),
  };
}

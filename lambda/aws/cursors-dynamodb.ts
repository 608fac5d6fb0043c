/**
 * The Cursors table: how far each shard of a channel's subscribers has been pushed to, and who is at it. Key `channel`
 * and `shard` (`{pattern}#{number}`).
 * @module
 */
import { type DynamoDBDocumentClient, GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { formatOffset, parseOffset } from '../../protocol/offset.ts';
import type { Cursor, CursorStore, Progress, Shard } from '../hub/listeners.ts';
import { call } from './client.ts';
import { callIf, expiryOf, numberOf, textOf } from './dynamodb.ts';
import { type Item, namesIn } from './stored.ts';

/** How long a cursor is kept that nobody uses, in milliseconds: far longer than any connection. */
const KEPT_MS = 24 * 3_600_000;

const keyOf = ({ channel, pattern, shard }: Shard) => ({ channel, shard: `${pattern}#${shard}` });

export function cursorsInDynamoDb(client: DynamoDBDocumentClient, table: string): CursorStore {
  const update = async (
    shard: Shard,
    UpdateExpression: string,
    ConditionExpression: string,
    values: Item,
    ReturnValues: 'ALL_OLD' | 'ALL_NEW' | 'NONE' = 'NONE',
  ) =>
    await callIf(() =>
      client.send(
        new UpdateCommand({
          TableName: table,
          Key: keyOf(shard),
          UpdateExpression,
          ConditionExpression,
          ExpressionAttributeNames: namesIn(UpdateExpression, ConditionExpression),
          ExpressionAttributeValues: values,
          ReturnValues,
        }),
      ),
    );
  return {
    async get(shard) {
      const get = new GetCommand({ TableName: table, Key: keyOf(shard), ConsistentRead: true });
      const { Item } = await call(() => client.send(get));
      return Item && cursorOf(Item);
    },
    async take(shard, owner, now, until) {
      const taken = await update(
        shard,
        'SET #owner = :owner, #until = :until, expiry = :expiry',
        // Its own, too: the SDK repeats a call whose answer was lost.
        'attribute_not_exists(#owner) OR #until <= :now OR #owner = :owner',
        { ':owner': owner, ':until': until, ':now': now, ':expiry': expiryOf(until + KEPT_MS) },
        'ALL_OLD',
      );
      return taken && cursorOf(taken.Attributes ?? {});
    },
    async ask(shard, now) {
      const asked = await update(shard, 'ADD asks :one', 'attribute_exists(#owner) AND #until > :now', {
        ':one': 1,
        ':now': now,
      });
      return asked !== undefined;
    },
    async commit(shard, owner, progress, until) {
      const { expression, values } = changes(progress);
      const committed = await update(
        shard,
        `${expression}, #until = :until`,
        '#owner = :owner',
        { ...values, ':owner': owner, ':until': until },
        'ALL_NEW',
      );
      return committed && cursorOf(committed.Attributes ?? {}).asks;
    },
    async release(shard, owner, progress, asks) {
      const { expression, values } = changes(progress);
      // Nobody has asked yet where there is no count.
      const unasked = asks === 0 ? 'attribute_not_exists(asks)' : 'asks = :asks';
      const released = await update(
        shard,
        `${expression} REMOVE #owner, #until`,
        asks === undefined ? '#owner = :owner' : `#owner = :owner AND ${unasked}`,
        { ...values, ':owner': owner, ...(asks ? { ':asks': asks } : {}) },
      );
      return released !== undefined;
    },
    async abandon(shard, owner) {
      await update(shard, 'SET #isUnclean = :true REMOVE #owner, #until', '#owner = :owner', {
        ':true': true,
        ':owner': owner,
      });
    },
  };
}

function changes({ delivered, at, isClosed, lookAt, isUnclean }: Progress): {
  readonly expression: string;
  readonly values: Item;
} {
  const end = delivered
    ? { expression: ', #delivered = :delivered', values: { ':delivered': formatOffset(delivered) } }
    : { expression: '', values: {} };
  return {
    expression: `SET #at = :at, #isClosed = :isClosed, #lookAt = :lookAt, #isUnclean = :isUnclean${end.expression}`,
    values: { ':at': at, ':isClosed': isClosed, ':lookAt': lookAt, ':isUnclean': isUnclean, ...end.values },
  };
}

function cursorOf(item: Item): Cursor {
  const numberOr0 = (name: string) => (item[name] === undefined ? 0 : numberOf(item, name));
  return {
    delivered: item.delivered === undefined ? undefined : parseOffset(textOf(item, 'delivered')),
    at: numberOr0('at'),
    isClosed: item.isClosed === true,
    lookAt: numberOr0('lookAt'),
    asks: numberOr0('asks'),
    isUnclean: item.isUnclean === true || item.owner !== undefined,
  };
}

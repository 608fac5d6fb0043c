/**
 * The Cursors table: how far each shard of a channel's subscribers has been pushed to, and who is at it. Key `channel`
 * and `shard` (`{pattern}#{number}`).
 * @module
 */
import { type DynamoDBDocumentClient, GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { formatOffset, parseOffset } from '../../../protocol/offset.ts';
import type { Cursor, CursorStore, Progress, Shard } from '../../hub/push/push-ports.ts';
import { call } from '../aws-client.ts';
import { callIf, expiryOf, numberOf, textOf } from './document-client.ts';
import { type Item, LET_GO, MAY_TAKE, namesIn, valuesOfTake } from './stored-attributes.ts';

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
  const get = async (shard: Shard): Promise<Item | undefined> => {
    const command = new GetCommand({ TableName: table, Key: keyOf(shard), ConsistentRead: true });
    return (await call(() => client.send(command))).Item;
  };
  return {
    async get(shard) {
      const item = await get(shard);
      return item && cursorOf(item);
    },
    async take(shard, lease, now) {
      const taken = await update(
        shard,
        // A term that is counted twice is skipped.
        'SET #owner = :owner, #until = :until, expiry = :expiry ADD term :one',
        MAY_TAKE,
        { ...valuesOfTake(lease, now), ':expiry': expiryOf(lease.until + KEPT_MS), ':one': 1 },
        'ALL_OLD',
      );
      if (!taken) return undefined;
      const before = cursorOf(taken.Attributes ?? {});
      return { ...before, term: before.term + 1 };
    },
    async ask(shard, now) {
      // One that the SDK counts twice costs the owner one look more.
      const asked = await update(
        shard,
        'ADD asks :one',
        'attribute_exists(#owner) AND #until > :now',
        { ':one': 1, ':now': now },
        'ALL_NEW',
      );
      return asked && numberOr0(asked.Attributes ?? {}, 'guarded');
    },
    async guard(shard, until) {
      // Carried out late, it still names the moment at which that guard comes.
      const condition = 'attribute_exists(#owner) AND (attribute_not_exists(#guarded) OR #guarded < :until)';
      await update(shard, 'SET #guarded = :until', condition, { ':until': until });
    },
    async commit(shard, { owner, until: was }, progress, until) {
      const { expression, values } = changes(progress);
      const committed = await update(
        shard,
        `${expression}, #until = :until`,
        '#owner = :owner AND #until = :was',
        { ...values, ':owner': owner, ':was': was, ':until': until },
        'ALL_NEW',
      );
      const there = committed ? committed.Attributes : await get(shard);
      // Its own, if the answer to the first try of the SDK was lost.
      const isOwn = there?.owner === owner && there.until === until;
      return isOwn ? cursorOf(there).asks : undefined;
    },
    async release(shard, { owner, until }, progress, asks, now) {
      const { expression, values } = changes(progress);
      // Nobody has asked yet where there is no count.
      const unasked = asks === 0 ? 'attribute_not_exists(asks)' : 'asks = :asks';
      const held = '#owner = :owner AND #until = :until';
      const released = await update(
        shard,
        `${expression}, ${LET_GO} REMOVE #owner, #until`,
        asks === undefined ? held : `${held} AND ${unasked}`,
        { ...values, ':owner': owner, ':until': until, ':now': now, ...(asks ? { ':asks': asks } : {}) },
      );
      return released !== undefined;
    },
    async abandon(shard, owner, now) {
      await update(shard, `SET #isUnclean = :true, ${LET_GO} REMOVE #owner, #until`, '#owner = :owner', {
        ':true': true,
        ':owner': owner,
        ':now': now,
      });
    },
  };
}

function changes({ delivered, at, isClosed, lookAt, isUnclean, fence }: Progress): {
  readonly expression: string;
  readonly values: Item;
} {
  const end = delivered
    ? { expression: ', #delivered = :delivered', values: { ':delivered': formatOffset(delivered) } }
    : { expression: '', values: {} };
  return {
    expression: `SET #at = :at, #isClosed = :isClosed, #lookAt = :lookAt, #isUnclean = :isUnclean, fence = :fence${end.expression}`,
    values: {
      ':at': at,
      ':isClosed': isClosed,
      ':lookAt': lookAt,
      ':isUnclean': isUnclean,
      ':fence': fence,
      ...end.values,
    },
  };
}

const numberOr0 = (item: Item, name: string): number => (item[name] === undefined ? 0 : numberOf(item, name));

function cursorOf(item: Item): Cursor {
  return {
    delivered: item.delivered === undefined ? undefined : parseOffset(textOf(item, 'delivered')),
    at: numberOr0(item, 'at'),
    isClosed: item.isClosed === true,
    lookAt: numberOr0(item, 'lookAt'),
    asks: numberOr0(item, 'asks'),
    term: numberOr0(item, 'term'),
    fence: numberOr0(item, 'fence'),
    isUnclean: item.isUnclean === true || item.owner !== undefined,
  };
}

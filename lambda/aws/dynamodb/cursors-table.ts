/**
 * The Cursors table: how far the messages of a channel were pushed to each shard of its subscribers, and the owner of each
 * shard. Key `channel` and `shard` (`{pattern}#{number}`).
 * @module
 */
import { type DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import { formatOffset, parseOffset } from '../../../protocol/offset.ts';
import type { Cursor, CursorStore, Progress, Shard } from '../../hub/push/push-ports.ts';
import { call } from '../aws-client.ts';
import { expiryOf } from './document-client.ts';
import { type Item, numberOf, textOf } from './stored-attributes.ts';
import { LET_GO, MAY_TAKE, updatesOf, valuesOfTake } from './update-item.ts';

/** How long an unused cursor is stored, in milliseconds: far longer than any connection lives. */
const EXPIRES_AFTER_MS = 24 * 3_600_000;

const keyOf = ({ channel, pattern, shard }: Shard) => ({ channel, shard: `${pattern}#${shard}` });

export function cursorsInDynamoDb(client: DynamoDBDocumentClient, table: string): CursorStore {
  const update = updatesOf(client, table);
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
      const taken = await update({
        key: keyOf(shard),
        // The SDK may have a term counted twice: then one number is skipped.
        change: 'SET #owner = :owner, #until = :until, expiry = :expiry ADD term :one',
        condition: MAY_TAKE,
        values: {
          ...valuesOfTake(lease, now),
          ':expiry': expiryOf(lease.until + EXPIRES_AFTER_MS),
          ':one': 1,
        },
        returns: 'ALL_OLD',
      });
      if (!taken) return undefined;
      const before = cursorOf(taken);
      return { ...before, term: before.term + 1 };
    },
    async ask(shard, now) {
      const asked = await update({
        key: keyOf(shard),
        // The SDK may have a request counted twice: then the owner looks once more than needed.
        change: 'ADD asks :one',
        condition: 'attribute_exists(#owner) AND #until > :now',
        values: { ':one': 1, ':now': now },
        returns: 'ALL_NEW',
      });
      return asked && numberOr0(asked, 'guarded');
    },
    async guard(shard, until) {
      await update({
        key: keyOf(shard),
        // A late call is harmless: it still names the moment at which its guard comes.
        change: 'SET #guarded = :until',
        condition: 'attribute_exists(#owner) AND (attribute_not_exists(#guarded) OR #guarded < :until)',
        values: { ':until': until },
      });
    },
    async commit(shard, { owner, until: was }, progress, until) {
      const { change, values } = changesOf(progress);
      const committed = await update({
        key: keyOf(shard),
        change: `${change}, #until = :until`,
        condition: '#owner = :owner AND #until = :was',
        values: { ...values, ':owner': owner, ':was': was, ':until': until },
        returns: 'ALL_NEW',
      });
      const there = committed ?? (await get(shard));
      // The condition also fails if this very commit was carried out, but its first answer was lost inside the SDK.
      const isOwn = there?.owner === owner && there.until === until;
      return isOwn ? cursorOf(there).asks : undefined;
    },
    async release(shard, { owner, until }, progress, asks, now) {
      const { change, values } = changesOf(progress);
      // An item without the attribute has had no request.
      const unasked = asks === 0 ? 'attribute_not_exists(asks)' : 'asks = :asks';
      const held = '#owner = :owner AND #until = :until';
      const released = await update({
        key: keyOf(shard),
        change: `${change}, ${LET_GO} REMOVE #owner, #until`,
        condition: asks === undefined ? held : `${held} AND ${unasked}`,
        values: {
          ...values,
          ':owner': owner,
          ':until': until,
          ':now': now,
          ...(asks ? { ':asks': asks } : {}),
        },
      });
      return released !== undefined;
    },
    async abandon(shard, owner, now) {
      await update({
        key: keyOf(shard),
        change: `SET #isUnclean = :true, ${LET_GO} REMOVE #owner, #until`,
        condition: '#owner = :owner',
        values: { ':true': true, ':owner': owner, ':now': now },
      });
    },
  };
}

function changesOf({ delivered, at, isClosed, lookAt, isUnclean, fence }: Progress) {
  const change =
    'SET #at = :at, #isClosed = :isClosed, #lookAt = :lookAt, #isUnclean = :isUnclean, fence = :fence';
  const values = {
    ':at': at,
    ':isClosed': isClosed,
    ':lookAt': lookAt,
    ':isUnclean': isUnclean,
    ':fence': fence,
  };
  if (!delivered) return { change, values };
  return {
    change: `${change}, #delivered = :delivered`,
    values: { ...values, ':delivered': formatOffset(delivered) },
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

/**
 * The Cursors table: how far the messages of a channel were pushed to each shard of its subscribers, and the lease of each
 * shard's owner. Key `channel` and `shard` (`{pattern}#{number}`). `guardedUntil` is stored as `guarded`.
 * @module
 */
import { formatOffset } from '../../../protocol/offset.ts';
import type { CursorRow, CursorStore, Progress, Shard } from '../../hub/push/push-ports.ts';
import type { DocumentClient } from '../calls/document-calls.ts';
import { asksOf, LET_GO, leasesInDynamoDb } from './lease-rows.ts';
import { type Item, ifThere, numberOf, positionOf, textOf } from './stored-attributes.ts';
import { updatesOf } from './update-item.ts';

/** How long an unused cursor is stored, in milliseconds: far longer than any connection lives. */
const STORED_FOR_MS = 24 * 3_600_000;

/** Returns the key of the cursor of a shard. */
export const cursorKey = ({ channel, pattern, shard }: Shard) => ({ channel, shard: `${pattern}#${shard}` });

/** Returns the store of cursors in DynamoDB. Its methods throw Refusal unavailable if the table is throttled. */
export function cursorsInDynamoDb(client: DocumentClient, table: string): CursorStore {
  const update = updatesOf(client, table);
  const leases = leasesInDynamoDb<Shard, Progress, CursorRow>(client, table, {
    keyOf: cursorKey,
    storedForMs: STORED_FOR_MS,
    attributesOf,
    rowOf: cursorRowOf,
    counter: 'term',
  });
  return {
    ...leases,
    async take(shard, lease, now) {
      const before = await leases.take(shard, lease, now);
      return before && { ...before, term: before.term + 1 };
    },
    async guard(shard, until) {
      await update({
        key: cursorKey(shard),
        // A late call is harmless: it still names the moment at which its guard comes.
        change: 'SET #guarded = :until',
        condition: 'attribute_exists(#owner) AND (attribute_not_exists(#guarded) OR #guarded < :until)',
        values: { ':until': until },
      });
    },
    async abandon(shard, owner, now) {
      await update({
        key: cursorKey(shard),
        change: `SET #isUnclean = :true, ${LET_GO}`,
        condition: '#owner = :owner',
        values: { ':true': true, ':owner': owner, ':now': now },
      });
    },
  };
}

const attributesOf = ({
  delivered,
  at,
  isClosed,
  lookAt,
  isUnclean,
  fence,
  streamId,
  roster,
}: Progress): Item => ({
  at,
  isClosed,
  lookAt,
  isUnclean,
  fence,
  streamId,
  roster,
  delivered: delivered && formatOffset(delivered),
});

const numberOr0 = (item: Item, name: string): number => ifThere(item, name, numberOf) ?? 0;

/** Reads a cursor. */
export const cursorRowOf = (item: Item): CursorRow => ({
  delivered: ifThere(item, 'delivered', positionOf),
  at: numberOr0(item, 'at'),
  isClosed: item.isClosed === true,
  lookAt: numberOr0(item, 'lookAt'),
  asks: asksOf(item),
  term: numberOr0(item, 'term'),
  fence: numberOr0(item, 'fence'),
  streamId: ifThere(item, 'streamId', textOf),
  roster: numberOr0(item, 'roster'),
  isUnclean: item.isUnclean === true || item.owner !== undefined,
  guardedUntil: numberOr0(item, 'guarded'),
});

/**
 * Moves the members of a shard between own cursors and the head (PROTOCOL.md §12.4). Only the owner of the shard does so.
 *
 * The SDK may give a write up, and DynamoDB may carry it out seconds later, when the member has another position. So each write
 * names the position that the decision started from. If a write fails, the owner reads the member and decides again. Without this, a
 * member could count as being at the head by mistake, and would never be sent what lies between.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { isSame } from '../../../protocol/offset.ts';
import { type OwnCursor, ownCursorIn, type Push, type Shard, type Subscriber } from './push-ports.ts';

/** Each further attempt needs another late write of an earlier owner, just before it. */
const MAX_ATTEMPTS = 4;

/**
 * Gives a member an own cursor, or (undefined) moves it to the head.
 * @param term of the owner
 * @returns false if the subscription has ended
 * @throws Refusal unavailable: then the position of the member is unknown
 */
export async function moveTo(
  { subscriptions }: Pick<Push, 'subscriptions'>,
  shard: Shard,
  member: Subscriber,
  own: OwnCursor | undefined,
  term: number,
): Promise<boolean> {
  let seen = member;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (await subscriptions.move(shard, seen, shard.channel, own)) return true;
    const stored = await subscriptions.member(shard, member.connection);
    if (stored?.id !== member.id) return false;
    // The first try of the SDK was carried out, and its answer was lost.
    const there = ownCursorIn(stored, shard.channel);
    if (isSameCursor(there, own)) return true;
    // A later owner wrote it. A write of this owner over it would be ignored (Cursor.fence), and the position would be lost.
    if (there && there.term > term) throw new Refusal('unavailable', 'the shard has another owner');
    seen = stored;
  }
  throw new Refusal('unavailable', 'a member was moved by others all the time');
}

/**
 * Rewrites an own cursor in the term of an owner that has taken over. After that, a late write of an earlier owner does not find
 * the position that it names.
 */
export async function fence(
  push: Pick<Push, 'subscriptions'>,
  shard: Shard,
  { member, own }: { readonly member: Subscriber; readonly own: OwnCursor },
  term: number,
): Promise<void> {
  await moveTo(push, shard, member, { ...own, term }, term);
}

function isSameCursor(one: OwnCursor | undefined, other: OwnCursor | undefined): boolean {
  if (!one || !other) return one === other;
  const { at, isUnsure, backoffs, backoffUntil, term } = one;
  return (
    isSame(at, other.at) &&
    isUnsure === other.isUnsure &&
    backoffs === other.backoffs &&
    backoffUntil === other.backoffUntil &&
    term === other.term
  );
}

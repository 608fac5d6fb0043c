/**
 * Changes the position of a member of a shard (PROTOCOL.md §12.4). A member is at the head of the shard, or has its own cursor.
 * Only the owner of the shard changes positions.
 *
 * The client may give a write up, and DynamoDB may still carry it out seconds later, when the member has another position. So each
 * write is conditional on the position that the owner has read. If the condition fails, the owner reads the member again.
 * Without the condition, a late write could put a member at the head by mistake. The messages before the head would be lost for it.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { isSame } from '../../../protocol/offset.ts';
import { type OwnCursor, ownCursorIn, type Push, type Shard, type Subscriber } from './push-ports.ts';

/** An attempt fails only if a late write of an earlier owner comes just before it, so a few attempts are enough. */
const MAX_ATTEMPTS = 4;

/**
 * Gives a member its own cursor, or moves it to the head.
 * @param own undefined for the head
 * @param term term of the owner that moves the member
 * @returns false if the subscription has ended
 * @throws Refusal unavailable: then the position of the member is not known
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
    // An earlier try of the client may have been carried out, and its answer lost.
    const there = ownCursorIn(stored, shard.channel);
    if (isSameCursor(there, own)) return true;
    // A later owner wrote it. If this owner overwrote it, the later owner would ignore that write (Cursor.fence).
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

/**
 * Where a member of a shard stands, written by the owner of the shard (PROTOCOL.md §12.4).
 *
 * The SDK may give a write up, and the store may carry it out seconds later, when the member stands elsewhere. So each write
 * names the place that it was decided upon. If that write fails, the owner decides again from a fresh look: a member that
 * counts as being at the front by mistake is never sent what lies between.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { isSame } from '../../../protocol/offset.ts';
import { type OwnCursor, ownCursorIn, type Push, type Shard, type Subscriber } from './push-ports.ts';

/** Each further attempt needs another late write of an earlier owner, just before it. */
const MAX_ATTEMPTS = 4;

/**
 * Moves a member to a place of its own, or (undefined) to the front. Only the owner of the shard may.
 * @param term of that owner
 * @returns false if the subscription has ended
 * @throws Refusal unavailable: then it is unknown where the member stands
 */
export async function moveTo(
  { subscriptions }: Pick<Push, 'subscriptions'>,
  shard: Shard,
  member: Subscriber,
  place: OwnCursor | undefined,
  term: number,
): Promise<boolean> {
  let seen = member;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (await subscriptions.move(shard, seen, shard.channel, place)) return true;
    const there = await subscriptions.member(shard, member.connection);
    if (there?.id !== member.id) return false;
    // The first try of the SDK was carried out, and its answer was lost.
    const now = ownCursorIn(there, shard.channel);
    if (isSamePlace(now, place)) return true;
    // A later owner knows better. What this one wrote over it would count for nothing, and with it the member's place.
    if (now && now.term > term) throw new Refusal('unavailable', 'the shard has another owner');
    seen = there;
  }
  throw new Refusal('unavailable', 'a member was moved by others all the time');
}

/**
 * Rewrites a place in the term of an owner that has taken over. After that no late write of an earlier owner finds the place
 * that it names.
 */
export async function fence(
  push: Pick<Push, 'subscriptions'>,
  shard: Shard,
  { member, place }: { readonly member: Subscriber; readonly place: OwnCursor },
  term: number,
): Promise<void> {
  await moveTo(push, shard, member, { ...place, term }, term);
}

function isSamePlace(one: OwnCursor | undefined, other: OwnCursor | undefined): boolean {
  if (!one || !other) return one === other;
  const { at, isUnsure, backoffs: rests, backoffUntil: restsUntil, term } = one;
  return (
    isSame(at, other.at) &&
    isUnsure === other.isUnsure &&
    rests === other.backoffs &&
    restsUntil === other.backoffUntil &&
    term === other.term
  );
}

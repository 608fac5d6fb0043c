/**
 * Who listens in a shard, and where each of them stands.
 * @module
 */
import { type OwnCursor, ownCursorIn, type Push, type Shard, type Subscriber } from './push-ports.ts';
import { endSubscription } from './subscribe.ts';

export interface MemberWithCursor {
  readonly member: Subscriber;
  readonly place: OwnCursor;
}

export interface Members {
  /** Those who have everything before the cursor. */
  readonly atFront: readonly Subscriber[];
  /** Those with a place of their own who can be led on. */
  readonly placed: readonly MemberWithCursor[];
  /** Those who could not take a frame, and are left alone for a time. */
  readonly resting: readonly MemberWithCursor[];
}

/**
 * Members whose connection and token still last, by where they stand; the others are told, and forgotten.
 * @param fence of the cursor: places of earlier terms were written late
 */
export async function gatherMembers(push: Push, shard: Shard, fence: number): Promise<Members> {
  const now = push.log.clock();
  const members = await push.subscriptions.members(shard);
  const isOver = ({ until, allowedUntil = until }: Subscriber) => Math.min(until, allowedUntil) <= now;
  await Promise.all(members.filter(isOver).map((member) => endSubscription(push, shard, member)));
  const present = members.filter((member) => !isOver(member));
  const placeOf = (member: Subscriber): OwnCursor | undefined => {
    const place = ownCursorIn(member, shard.channel);
    return place && (place.term === 0 || place.term >= fence) ? place : undefined;
  };
  const own = present.flatMap((member) => {
    const place = placeOf(member);
    return place ? [{ member, place }] : [];
  });
  return {
    atFront: present.filter((member) => !placeOf(member)),
    placed: own.filter(({ place }) => place.backoffUntil <= now),
    resting: own.filter(({ place }) => place.backoffUntil > now),
  };
}

/**
 * Posts frames to members of a shard: to each in order and at his own pace, to all of them at once.
 * @module
 */

import { isSame, type Position } from '../../../protocol/offset.ts';
import { settleAll } from '../settle-all.ts';
import type { Packed } from './frames.ts';
import { moveTo } from './positions.ts';
import type { OwnCursor, Push, Shard, Subscriber } from './push-ports.ts';
import { forget, ownCursorAt } from './subscribe.ts';

/** Before another attempt on a member who could not take a frame, in milliseconds: doubled up to a minute. */
export const BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;

/** How long the frames of one round to one member may take, in milliseconds. */
const SLOW_MS = 2_000;

/**
 * Places that one subscription remembers. Whoever is behind in more channels of his pattern is told to read them himself:
 * a place is some 300 bytes at most, and an item may have 400 KB.
 */
const MAX_PLACES = 100;

/** A member, and the place of his own if he has one. */
export interface Recipients {
  readonly member: Subscriber;
  readonly place: OwnCursor | undefined;
}

/** Frames for those who stand together. */
export interface Batch {
  readonly members: readonly Recipients[];
  readonly packed: Packed;
  /** True if an earlier attempt at what is in it may have arrived. */
  readonly isUnsure: boolean;
  /** True if nothing will ever follow. */
  readonly isEnd: boolean;
}

export interface PostTask {
  /** When the lease is too close to its end for another post, in milliseconds. */
  readonly postUntil: number;
  readonly shard: Shard;
  /** Of the owner (Cursor.term). */
  readonly term: number;
  /** Where the front will be. */
  readonly front: Position;
}

/** What became of a member: `joins` the front, was led `on`, `rests` until then, or `stays` where he is. */
export type PostOutcome =
  | { readonly kind: 'joins'; readonly member: Subscriber }
  | { readonly kind: 'on' | 'stays' | 'gone' }
  | { readonly kind: 'rests'; readonly until: number };

export async function postBatch(push: Push, delivery: PostTask, batch: Batch): Promise<PostOutcome[]> {
  return await settleAll(
    batch.members.map(async ({ member, place }): Promise<PostOutcome> => {
      const { packed, isUnsure, isEnd } = batch;
      const { shard, front } = delivery;
      const end = await postAll(push, delivery, member, batch);
      if (end === 'gone') return { kind: 'gone' };
      if (end) return await putOff(push, delivery, member, place, end);
      if (!place) return { kind: 'stays' };
      if (isEnd || isSame(packed.end, front)) return { kind: 'joins', member };
      if (packed.frames.length === 0) return { kind: 'stays' };
      const { term } = delivery;
      const isThere = await moveTo(push, shard, member, { ...ownCursorAt(packed.end), isUnsure, term }, term);
      return { kind: isThere ? 'on' : 'gone' };
    }),
  );
}

/** Frame after frame, as long as they arrive. Answers where he is if one did not. */
async function postAll(
  push: Push,
  { postUntil, shard }: PostTask,
  member: Subscriber,
  { packed, isUnsure }: Batch,
): Promise<Pick<OwnCursor, 'at' | 'isUnsure'> | 'gone' | undefined> {
  const begun = push.log.clock();
  for (const [nth, frame] of packed.frames.entries()) {
    const now = push.log.clock();
    // Whoever is slow, or comes too late in a round that is, goes on from a place of his own, so that it ends for the others.
    if (now >= postUntil || (nth > 0 && now - begun >= SLOW_MS)) return { at: frame.from, isUnsure };
    const posted = await push.poster.post(member.connection, frame.text, postUntil);
    if (posted === 'sent') {
      push.watch.delivered(frame.count);
      continue;
    }
    if (posted === 'gone') {
      await forget(push, member.connection, shard);
      return 'gone';
    }
    // What was unsure stays so until the front is reached: any later frame may have arrived, too, before this one did not.
    return { at: frame.from, isUnsure: posted === 'unsure' || isUnsure };
  }
  return undefined;
}

/** Leaves a member alone for a time. He goes on from the frame that he could not take. */
async function putOff(
  push: Push,
  { shard, term }: PostTask,
  member: Subscriber,
  before: OwnCursor | undefined,
  { at, isUnsure }: Pick<OwnCursor, 'at' | 'isUnsure'>,
): Promise<PostOutcome> {
  if (!before && Object.keys(member.ownCursors).length >= MAX_PLACES) {
    await push.subscriptions.expire(shard, member);
    return { kind: 'gone' };
  }
  const isSamePlace = before !== undefined && isSame(before.at, at);
  const backoffs = (isSamePlace ? before.backoffs : 0) + 1;
  const rest = Math.min(BACKOFF_MS * 2 ** (backoffs - 1), MAX_BACKOFF_MS);
  // At the same moments for all who rest that long, so that one look is for all of them.
  const until = Math.ceil((push.log.clock() + rest) / rest) * rest;
  const place = { at, isUnsure, backoffs, backoffUntil: until, term };
  return (await moveTo(push, shard, member, place, term)) ? { kind: 'rests', until } : { kind: 'gone' };
}

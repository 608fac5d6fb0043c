/**
 * Posts frames to members of a shard: to each member in order and as fast as it takes them, to all members in parallel.
 * @module
 */
import { isSame, type Position } from '../../../protocol/offset.ts';
import { settleAll } from '../settle-all.ts';
import type { Packed } from './frames.ts';
import { moveTo } from './positions.ts';
import type { OwnCursor, Push, Shard, Subscriber } from './push-ports.ts';
import { forget, ownCursorAt } from './subscribe.ts';

/** First pause after a member could not take a frame, in milliseconds. It doubles up to a minute. */
export const BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;

/** Time that the frames of one pass to one member may take, in milliseconds. */
const SLOW_MS = 2_000;

/**
 * Own cursors of one subscription. A member that is behind in more channels of its pattern is told to read them itself: an own
 * cursor has up to some 300 bytes, and an item up to 400 KB.
 */
const MAX_OWN_CURSORS = 100;

/** A member, with its own cursor if it has one. */
export interface Recipient {
  readonly member: Subscriber;
  /** Undefined for a member at the head. */
  readonly own: OwnCursor | undefined;
}

/** Frames for the members at one position. */
export interface Batch {
  readonly recipients: readonly Recipient[];
  /** The frames, the same for all recipients. */
  readonly packed: Packed;
  /** True if an earlier attempt at these frames may have arrived. */
  readonly isUnsure: boolean;
  /** True if nothing will ever follow. */
  readonly isEnd: boolean;
}

/** What all batches of a pass have in common. */
export interface PostTask {
  /** Time after which the lease is too close to its end for another post, in milliseconds since 1970. */
  readonly postUntil: number;
  readonly shard: Shard;
  /** Term of the owner (Cursor.term). */
  readonly term: number;
  /** Position of the head after this pass. */
  readonly head: Position;
}

/**
 * What became of a member. `joins`: it has reached the head. `advanced`: its own cursor has moved. `stays`: its position has not
 * changed. `gone`: its subscription has ended. `backsOff`: nothing is posted to it until that time.
 */
export type PostOutcome =
  | { readonly kind: 'joins' | 'advanced' | 'stays' | 'gone' }
  | { readonly kind: 'backsOff'; readonly until: number };

/** A member with its outcome. */
export interface PostResult {
  /** The member as it was before the post. */
  readonly recipient: Recipient;
  readonly outcome: PostOutcome;
}

/** Posts a batch and writes the own cursors that follow from it. Returns a result for each recipient. */
export async function postBatch(push: Push, task: PostTask, batch: Batch): Promise<PostResult[]> {
  return await settleAll(
    batch.recipients.map(async (recipient) => ({
      recipient,
      outcome: await postTo(push, task, batch, recipient),
    })),
  );
}

async function postTo(
  push: Push,
  task: PostTask,
  batch: Batch,
  { member, own }: Recipient,
): Promise<PostOutcome> {
  const { packed, isUnsure, isEnd } = batch;
  const { shard, head, term } = task;
  const missed = await postFrames(push, task, member, batch);
  if (missed === 'gone') return { kind: 'gone' };
  if (missed) return await backOff(push, task, member, own, missed);
  if (!own) return { kind: 'stays' };
  if (isEnd || isSame(packed.end, head)) return { kind: 'joins' };
  if (packed.frames.length === 0) return { kind: 'stays' };
  const isThere = await moveTo(push, shard, member, { ...ownCursorAt(packed.end), isUnsure, term }, term);
  return { kind: isThere ? 'advanced' : 'gone' };
}

/** Posts frame after frame as long as they arrive. Returns the position of the member if one did not. */
async function postFrames(
  push: Push,
  { postUntil, shard }: PostTask,
  member: Subscriber,
  { packed, isUnsure }: Batch,
): Promise<Pick<OwnCursor, 'at' | 'isUnsure'> | 'gone' | undefined> {
  const begun = push.log.clock();
  for (const [nth, frame] of packed.frames.entries()) {
    const now = push.log.clock();
    // A slow member, and one whose turn comes too late in a slow pass, gets an own cursor, so that the pass ends for the others.
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
    // A frame that was unsure stays unsure up to the head: an earlier attempt may have delivered any later frame, too.
    return { at: frame.from, isUnsure: posted === 'unsure' || isUnsure };
  }
  return undefined;
}

/** Leaves a member alone for a time. It goes on from the frame that it could not take. */
async function backOff(
  push: Push,
  { shard, term }: PostTask,
  member: Subscriber,
  before: OwnCursor | undefined,
  { at, isUnsure }: Pick<OwnCursor, 'at' | 'isUnsure'>,
): Promise<PostOutcome> {
  if (!before && Object.keys(member.ownCursors).length >= MAX_OWN_CURSORS) {
    await push.subscriptions.expire(shard, member);
    await push.subscriptions.noteChange(shard.pattern);
    return { kind: 'gone' };
  }
  const isSamePosition = before !== undefined && isSame(before.at, at);
  const backoffs = (isSamePosition ? before.backoffs : 0) + 1;
  const pause = Math.min(BACKOFF_MS * 2 ** (backoffs - 1), MAX_BACKOFF_MS);
  // Rounded up: backoffs of the same length end together, so one job serves all these members.
  const until = Math.ceil((push.log.clock() + pause) / pause) * pause;
  const own = { at, isUnsure, backoffs, backoffUntil: until, term };
  return (await moveTo(push, shard, member, own, term)) ? { kind: 'backsOff', until } : { kind: 'gone' };
}

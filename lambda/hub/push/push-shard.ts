/**
 * Push: one owner to each shard of a channel's subscribers (PROTOCOL.md §12.4).
 *
 * A hint says that a channel may have grown. Whoever handles it takes the lease of the shard, or leaves it to the owner,
 * who looks once more before letting go: so a burst of events becomes one frame, and no two processes ever post to the
 * same sockets. The lease runs out with its owner; who takes over from one that died repeats what may have arrived, entry
 * by entry, so that clients can tell.
 * @module
 */

import { Refusal } from '../../../protocol/errors.ts';
import { GAP_GRACE_MS } from '../../../protocol/limits.ts';
import { isBefore, type Position } from '../../../protocol/offset.ts';
import { isBusy } from '../defects.ts';
import { isAlive } from '../log/channel.ts';
import { settleAll } from '../settle-all.ts';
import { moveTo } from './positions.ts';
import { BACKOFF_MS } from './post-batches.ts';
import { type Ownership, type PushPass, runPass } from './push-pass.ts';
import type { Cursor, Lease, Progress, Push, Shard } from './push-ports.ts';

export interface PushTask {
  readonly shard: Shard;
  /** What the hint said that the channel has grown to; undefined for a look whatever was pushed before. */
  readonly offset: Position | undefined;
  readonly isClosing: boolean;
  /** True if there is nothing to do unless the owner of the shard has died. */
  readonly isGuard?: boolean;
  /** When the process should have ended, by the clock. */
  readonly until: number;
}

/**
 * How long a lease is, in milliseconds; each round renews it. A shard whose owner was killed is silent for so long
 * (PROTOCOL.md §12.4).
 */
export const LEASE_MS = 10_000;

/** Before the end of its lease an owner posts no more, in milliseconds: as long as a post may be under way. */
const LEASE_MARGIN_MS = 5_500;

/** Who comes to an owned shard asks the owner; each further attempt needs one that let go at that very moment. */
const MAX_ATTEMPTS = 5;

/** Pushes what a shard has not had. Ends when it has, when another owns it, or when there is no more time. */
export async function pushShard(push: Push, errand: PushTask): Promise<void> {
  const owner = push.log.newId();
  try {
    const first = await takeShard(push, errand, owner);
    if (first) await own(push, errand, first);
  } catch (error) {
    const isFree = await push.cursors.abandon(errand.shard, owner, push.log.clock()).then(
      () => true,
      () => false,
    );
    // A store that is busy is tried again in a moment, not when the message comes back.
    if (!isBusy(error)) throw error;
    await push.jobs.send([errand.shard], isFree ? BACKOFF_MS : LEASE_MS);
  }
}

/** Returns what the owner begins with; undefined if there is nothing to do, or if another owner has been asked to. */
async function takeShard(push: Push, errand: PushTask, owner: string): Promise<Pass | undefined> {
  const { cursors, log } = push;
  const { shard } = errand;
  const seen = await cursors.get(shard);
  if (errand.isGuard && !seen?.isUnclean) return undefined;
  if (seen && isDelivered(seen, errand)) return undefined;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const now = log.clock();
    const isFirst = attempt === 0;
    // A shard that seems to have no owner is taken first: to ask would cost a write that fails.
    if ((seen?.isUnclean || !isFirst) && (await isAsked(push, shard, now))) return undefined;
    const lease = { owner, until: now + LEASE_MS };
    const cursor = await cursors.take(shard, lease, now);
    if (cursor) return { cursor, pages: new Map(), lease, isTakeover: cursor.isUnclean };
  }
  throw new Refusal('unavailable', 'the lease of a shard changed hands all the time');
}

/**
 * Asks the owner to look once more; false if there is none. The owner may be dead, and then nobody looks. So a guard
 * comes when the lease has ended: one for all that ask meanwhile.
 */
async function isAsked({ cursors, jobs }: Push, shard: Shard, now: number): Promise<boolean> {
  const guardedUntil = await cursors.ask(shard, now);
  if (guardedUntil === undefined) return false;
  if (guardedUntil > now) return true;
  await jobs.send([{ ...shard, isGuard: true }], LEASE_MS + BACKOFF_MS);
  await cursors.guard(shard, now + LEASE_MS);
  return true;
}

/**
 * Most hints of a busy channel come after the push that they asked for. Not those of an owner that died: others have
 * left their hints to it.
 */
function isDelivered({ delivered, isClosed, isUnclean }: Cursor, { offset, isClosing }: PushTask): boolean {
  if (!offset || !delivered || isUnclean || (isClosing && !isClosed)) return false;
  return !isBefore(delivered, offset);
}

/** What an owner has in hand from one round to the next. */
interface Pass extends Pick<Ownership, 'cursor' | 'pages' | 'isTakeover'> {
  readonly lease: Lease;
}

async function own(push: Push, errand: PushTask, first: Pass): Promise<void> {
  let next: Pass | undefined = first;
  while (next) next = await pass(push, errand, next);
}

/** A round and its commit. Answers what the next begins with; undefined when the shard was let go, or lost. */
async function pass(
  push: Push,
  { shard, until }: PushTask,
  { cursor, pages, lease, isTakeover }: Pass,
): Promise<Pass | undefined> {
  const { cursors, log, jobs } = push;
  const now = log.clock();
  const channel = await log.channels.get(shard.channel);
  const postUntil = lease.until - LEASE_MARGIN_MS;
  const isThere = channel !== undefined && isAlive(channel, now);
  const ownership = { shard, cursor, isTakeover, pages, postUntil };
  const result = isThere ? await runPass(push, channel, ownership) : undefined;
  const isDone = result?.isDone ?? true;
  const joining = result?.joining ?? [];
  const progress = progressOf(cursor, result, now, isTakeover && result !== undefined);
  if (progress.lookAt !== cursor.lookAt) await jobs.send([shard], progress.lookAt - now);
  const isOver = log.clock() >= until;
  if (joining.length === 0 && isOver) return await handOver(push, shard, lease, progress);
  if (joining.length === 0 && isDone) {
    if (await cursors.release(shard, lease, progress, cursor.asks, log.clock())) return undefined;
  }
  const renewed = { ...lease, until: Math.max(log.clock() + LEASE_MS, lease.until + 1) };
  const asks = await cursors.commit(shard, lease, progress, renewed.until);
  if (asks === undefined) {
    // Another has it; or it was let go, and only the answer was lost.
    if (isOver || !isDone) await jobs.send([shard], 0);
    return undefined;
  }
  // Only now: who was with the others before the commit would miss everything between his place and the cursor.
  await settleAll(joining.map((member) => moveTo(push, shard, member, undefined, cursor.term)));
  if (isOver) return await handOver(push, shard, renewed, progress);
  // Whoever asked while this round read the log is answered by the next one.
  return { cursor: { ...progress, asks, term: cursor.term }, pages, lease: renewed, isTakeover: false };
}

/** An owner that is out of time lets go, also if others have asked, and has another process go on. */
async function handOver(
  { cursors, jobs, log }: Push,
  shard: Shard,
  lease: Lease,
  progress: Progress,
): Promise<undefined> {
  // It may die when it has let go, and those that asked rely on it.
  await jobs.send([shard], BACKOFF_MS);
  // A refusal means that it was let go and the answer was lost, or that another has it. This owner posts no more in any case.
  await cursors.release(shard, lease, progress, undefined, log.clock());
  await jobs.send([shard], 0);
}

function progressOf(
  cursor: Cursor,
  result: PushPass | undefined,
  now: number,
  hasTakenOver: boolean,
): Progress {
  const front = result?.front;
  return {
    delivered: front ?? cursor.delivered,
    at: front && result ? result.readAt : cursor.at,
    isClosed: front && result ? result.isClosed : cursor.isClosed,
    lookAt: lookAt(cursor, result, now),
    isUnclean: cursor.isUnclean && !(result?.isDone ?? true),
    fence: hasTakenOver ? cursor.term : cursor.fence,
  };
}

/**
 * Nobody hints when a gap can be sealed, or when someone has rested: so somebody is told to come and look, once for all
 * who wait for the same moment.
 */
function lookAt(cursor: Cursor, result: PushPass | undefined, now: number): number {
  const sealable = result?.isGap ? now + GAP_GRACE_MS + BACKOFF_MS : Number.POSITIVE_INFINITY;
  const due = Math.min(sealable, result?.restsUntil ?? Number.POSITIVE_INFINITY);
  const isTold = cursor.lookAt > now && cursor.lookAt <= due;
  return due === Number.POSITIVE_INFINITY || isTold ? cursor.lookAt : due;
}

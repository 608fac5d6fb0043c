/**
 * Push: each shard of a channel's subscribers has one owner at a time (PROTOCOL.md §12.4).
 *
 * A hint says that a channel may have grown. The process that handles the hint takes the lease of the shard. If another process
 * has the lease, it asks that owner to look once more before it lets go. So a burst of events becomes one frame, and no two
 * processes post to the same sockets. The lease of an owner that dies runs out. The next owner repeats what may have arrived,
 * one frame for each entry, so that clients can tell which messages they have had.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { GAP_GRACE_MS } from '../../../protocol/limits.ts';
import { isBefore, type Position } from '../../../protocol/offset.ts';
import { isBusy } from '../defects.ts';
import type { Lease } from '../lease.ts';
import { isAlive } from '../log/channel.ts';
import { settleAll } from '../settle-all.ts';
import { type HintNews, rememberMembers, type Step, stepOf } from './in-step.ts';
import type { Ownership } from './pass-view.ts';
import { moveTo } from './positions.ts';
import { BACKOFF_MS } from './post-batches.ts';
import { type PushPass, runPass, runStep } from './push-pass.ts';
import type { Cursor, CursorRow, Progress, Push, Shard } from './push-ports.ts';

/** A shard to push to, and why. */
export interface PushTask {
  readonly shard: Shard;
  /** The end of the channel as the hint says; undefined to look at the shard in any case. */
  readonly offset: Position | undefined;
  /** True if the hint says that the channel was closed at `offset`. */
  readonly isClosing: boolean;
  /** True if there is nothing to do unless the owner of the shard has died. */
  readonly isGuard?: boolean;
  /** Time at which the process should have ended, in milliseconds since 1970. */
  readonly until: number;
  /** What the hint brings; undefined without a hint. */
  readonly news?: HintNews | undefined;
  /** The cursor as the hint has found it; `none` if there was none, and undefined if it was not looked up. */
  readonly seen?: CursorRow | 'none' | undefined;
}

/**
 * Length of a lease, in milliseconds. Each pass renews it. Nothing is pushed to a shard for so long after its owner was killed
 * (PROTOCOL.md §12.4).
 */
const LEASE_MS = 10_000;

/** An owner posts no more so long before the end of its lease, in milliseconds: as long as a post may be under way. */
const LEASE_MARGIN_MS = 5_500;

/** Each further attempt needs an owner that let go at that very moment. */
const MAX_ATTEMPTS = 5;

/** Pushes what a shard has not had. It ends when that is done, when another process owns the shard, or at `until`. */
export async function pushShard(push: Push, task: PushTask): Promise<void> {
  const owner = push.log.newId();
  try {
    const first = await takeShard(push, task, owner);
    if (first) await runPasses(push, task, first);
  } catch (error) {
    const isFree = await push.cursors.abandon(task.shard, owner, push.log.clock()).then(
      () => true,
      () => false,
    );
    if (!isBusy(error)) throw error;
    // A busy store is tried again in a moment. The message itself would come back after its visibility timeout.
    await push.jobs.send([task.shard], isFree ? BACKOFF_MS : LEASE_MS);
  }
}

/** Takes the lease. Returns undefined if there is nothing to do, or if another owner was asked. */
async function takeShard(push: Push, task: PushTask, owner: string): Promise<PassState | undefined> {
  const { cursors, log } = push;
  const { shard } = task;
  const seen = task.seen === 'none' ? undefined : (task.seen ?? (await cursors.get(shard)));
  if (task.isGuard && !seen?.isUnclean) return undefined;
  if (seen && isDelivered(seen, task)) return undefined;
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
 * Asks the owner to look once more; returns false if there is none. The owner may be dead, and then no process looks. So a
 * guard is sent, which comes when the lease has ended. One guard serves all that ask meanwhile.
 */
async function isAsked({ cursors, jobs }: Push, shard: Shard, now: number): Promise<boolean> {
  const asked = await cursors.ask(shard, now);
  if (!asked) return false;
  if (asked.guardedUntil > now) return true;
  await jobs.send([{ ...shard, isGuard: true }], LEASE_MS + BACKOFF_MS);
  await cursors.guard(shard, now + LEASE_MS);
  return true;
}

/**
 * Returns true if the shard has had what the hint says: most hints of a busy channel come after the push that they asked for.
 * It is false after an owner that died, since other processes have left their hints to that owner.
 */
function isDelivered({ delivered, isClosed, isUnclean }: Cursor, { offset, isClosing }: PushTask): boolean {
  if (!offset || !delivered || isUnclean || (isClosing && !isClosed)) return false;
  return !isBefore(delivered, offset);
}

/** What an owner keeps from one pass to the next. */
interface PassState extends Pick<Ownership, 'cursor' | 'pages' | 'isTakeover'> {
  readonly lease: Lease;
}

async function runPasses(push: Push, task: PushTask, first: PassState): Promise<void> {
  const { shard, news } = task;
  const step = news && stepOf(push, news, { shard, ...first });
  let next = await passAndCommit(push, task, first, step);
  while (next) next = await passAndCommit(push, task, next);
}

/** The result of a pass, and what the cursor says of it. */
interface Passed extends PushPass, Pick<Cursor, 'streamId' | 'roster'> {}

/** Posts in step, or reads the log and posts. Returns undefined if the channel does not exist. */
async function passOf(
  push: Push,
  { news, ...ownership }: Ownership & Pick<PushTask, 'news'>,
  step: Step | undefined,
  now: number,
): Promise<Passed | undefined> {
  const { shard, cursor } = ownership;
  if (step) {
    const pass = await runStep(push, step, ownership);
    return { ...pass, streamId: cursor.streamId, roster: pass.settled === step.members ? cursor.roster : 0 };
  }
  const channel = await push.log.channels.get(shard.channel);
  if (channel === undefined || !isAlive(channel, now)) return undefined;
  const pass = await runPass(push, channel, ownership);
  // A head beyond the channel is in another life of it, which began after it was looked up.
  const isHere = pass.head !== undefined && pass.head.entry <= channel.next;
  const roster = isHere ? rememberMembers(push.memory, shard, pass.settled, news?.version, now) : 0;
  return { ...pass, streamId: channel.streamId, roster };
}

/**
 * Runs a pass and commits it. Returns the state for the next pass; undefined if the shard was let go, or lost.
 * @param step what to post in step; undefined to read the log
 */
async function passAndCommit(
  push: Push,
  { shard, until, news }: PushTask,
  { cursor, pages, lease, isTakeover }: PassState,
  step?: Step,
): Promise<PassState | undefined> {
  const { cursors, log, jobs } = push;
  const now = log.clock();
  const postUntil = lease.until - LEASE_MARGIN_MS;
  const result = await passOf(push, { shard, cursor, isTakeover, pages, postUntil, news }, step, now);
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
    // Another process has the lease; or it was let go, and only the answer was lost.
    if (isOver || !isDone) await jobs.send([shard], 0);
    return undefined;
  }
  // After the commit: a member that joins the head earlier would miss everything between its own cursor and the new head.
  await settleAll(joining.map((member) => moveTo(push, shard, member, undefined, cursor.term)));
  if (isOver) return await handOver(push, shard, renewed, progress);
  // A process that asked while this pass read the log is served by the next pass.
  return { cursor: { ...progress, asks, term: cursor.term }, pages, lease: renewed, isTakeover: false };
}

/** Lets go because the time of this process is over, also if others have asked, and lets another process go on. */
async function handOver(
  { cursors, jobs, log }: Push,
  shard: Shard,
  lease: Lease,
  progress: Progress,
): Promise<undefined> {
  // A job before the release: this process may die after it, and the processes that asked rely on it.
  await jobs.send([shard], BACKOFF_MS);
  // It may be refused because it was carried out and the answer was lost, or because another process has the lease. In both
  // cases this owner posts no more.
  await cursors.release(shard, lease, progress, undefined, log.clock());
  await jobs.send([shard], 0);
}

function progressOf(
  cursor: Cursor,
  result: Passed | undefined,
  now: number,
  hasTakenOver: boolean,
): Progress {
  const head = result?.head;
  return {
    delivered: head ?? cursor.delivered,
    at: head && result ? result.readAt : cursor.at,
    isClosed: head && result ? result.isClosed : cursor.isClosed,
    lookAt: nextLook(cursor, result, now),
    isUnclean: cursor.isUnclean && !(result?.isDone ?? true),
    fence: hasTakenOver ? cursor.term : cursor.fence,
    streamId: head && result ? result.streamId : cursor.streamId,
    roster: result?.roster ?? cursor.roster,
  };
}

/**
 * Returns the time of the next job for this shard. No hint comes when a gap can be sealed, or when a backoff ends, so a job is
 * sent. One job serves all that is due at the same time.
 */
function nextLook(cursor: Cursor, result: PushPass | undefined, now: number): number {
  const sealable = result?.isGap ? now + GAP_GRACE_MS + BACKOFF_MS : Number.POSITIVE_INFINITY;
  const due = Math.min(sealable, result?.backoffUntil ?? Number.POSITIVE_INFINITY);
  const isSent = cursor.lookAt > now && cursor.lookAt <= due;
  return due === Number.POSITIVE_INFINITY || isSent ? cursor.lookAt : due;
}

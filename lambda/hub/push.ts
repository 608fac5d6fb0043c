/**
 * Push: one owner to each shard of a channel's subscribers (PROTOCOL.md §12.4).
 *
 * A hint says that a channel may have grown. Whoever handles it takes the lease of the shard, or leaves it to the owner,
 * who looks once more before letting go: so a burst of events becomes one frame, and no two processes ever post to the
 * same sockets. The lease runs out with its owner; who takes over from one that died repeats what may have arrived, entry
 * by entry, so that clients can tell.
 * @module
 */
import { GAP_GRACE_MS } from '../../protocol/limits.ts';
import type { Position } from '../../protocol/offset.ts';
import { isAlive } from './channel.ts';
import { isBefore } from './frames.ts';
import type {
  Connections,
  Cursor,
  CursorStore,
  Job,
  Jobs,
  Progress,
  Shard,
  SubscriberStore,
} from './listeners.ts';
import type { Log } from './ports.ts';
import { LeaseAtRisk, type Round, round } from './round.ts';

export interface Push {
  readonly log: Log;
  readonly subscribers: SubscriberStore;
  readonly cursors: CursorStore;
  readonly connections: Connections;
  readonly jobs: Jobs;
}

export interface Errand {
  readonly shard: Shard;
  /** What the hint said that the channel has grown to; undefined for a look whatever was pushed before. */
  readonly offset: Position | undefined;
  readonly isClosing: boolean;
  /** Number of shards of the pattern. */
  readonly shards: number;
  /** How often it was put off. */
  readonly attempt: number;
  /** When the process should have ended, by the clock. */
  readonly until: number;
}

/** How long a lease is, in milliseconds: some rounds of the slowest kind, renewed by each. */
export const LEASE_MS = 18_000;

/** Before the end of its lease an owner posts no more, in milliseconds: as long as a post may be under way. */
const LEASE_MARGIN_MS = 8_000;

/** Who comes to an owned shard asks the owner; each further attempt needs one that let go at that very moment. */
const MAX_ATTEMPTS = 5;

/** Members that one process can post to within a fraction of a second; beyond, new ones go to twice the shards. */
const MEMBERS_PER_SHARD = 1_000;

/** Before another attempt on members who could not take a frame, in milliseconds: doubled up to a minute. */
const REST_MS = 1_000;
const MOST_REST_MS = 60_000;

/** Pushes what a shard has not had. Ends when it has, when another owns it, or when there is no more time. */
export async function pushShard(push: Push, errand: Errand): Promise<void> {
  const { shard } = errand;
  const { cursors, log } = push;
  const seen = await cursors.get(shard);
  if (seen && isDelivered(seen, errand)) return;
  const owner = log.newId();
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const now = log.clock();
    const isFirst = attempt === 0;
    // Whoever seems to own it is asked first, whoever does not is not: the other order would cost a write that fails.
    if ((seen?.isUnclean || !isFirst) && (await cursors.ask(shard, now))) return;
    const cursor = await cursors.take(shard, owner, now, now + LEASE_MS);
    if (cursor) return await own(push, errand, owner, cursor);
  }
  throw new Error('the lease of a shard changed hands all the time');
}

/**
 * Most hints of a busy channel come after the push that they asked for. Not those of an owner that died: others have
 * left their hints to it.
 */
function isDelivered({ delivered, isClosed, isUnclean }: Cursor, { offset, isClosing }: Errand): boolean {
  if (!offset || !delivered || isUnclean || (isClosing && !isClosed)) return false;
  return !isBefore(delivered, offset);
}

async function own(push: Push, errand: Errand, owner: string, taken: Cursor): Promise<void> {
  const resting = new Set<string>();
  let cursor: Cursor | undefined = taken;
  try {
    while (cursor) cursor = await turn(push, errand, owner, cursor, resting);
  } catch (error) {
    await push.cursors.abandon(errand.shard, owner);
    if (!(error instanceof LeaseAtRisk)) throw error;
    await push.jobs.send([jobOf(errand)], REST_MS);
  }
}

/** A round and its commit. Answers the cursor for the next; undefined when the shard was let go, or lost. */
async function turn(
  push: Push,
  errand: Errand,
  owner: string,
  cursor: Cursor,
  resting: Set<string>,
): Promise<Cursor | undefined> {
  const { shard } = errand;
  const now = push.log.clock();
  const channel = await push.log.channels.get(shard.channel);
  const postUntil = now + LEASE_MS - LEASE_MARGIN_MS;
  const isThere = channel !== undefined && isAlive(channel, now);
  const result = (isThere && (await round(push, channel, { shard, cursor, resting, postUntil }))) || NOTHING;
  if (result.members > MEMBERS_PER_SHARD) await push.subscribers.split(shard.pattern, errand.shards);
  const progress = progressOf(cursor, result, now);
  if (progress.lookAt > cursor.lookAt) await push.jobs.send([jobOf(errand)], GAP_GRACE_MS + REST_MS);
  const isOver = push.log.clock() >= errand.until;
  if ((result.isDone || isOver) && result.joining.length === 0) {
    if (await push.cursors.release(shard, owner, progress, cursor.asks)) {
      await leave(push, errand, resting.size > 0, result.isDone);
      return undefined;
    }
  }
  const asks = await push.cursors.commit(shard, owner, progress, push.log.clock() + LEASE_MS);
  if (asks === undefined) {
    // Another has it, who knows nothing of those that this one left to rest.
    await leave(push, errand, resting.size > 0, true);
    return undefined;
  }
  // Only now: who was with the others before the commit would miss everything between his place and the cursor.
  await Promise.all(
    result.joining.map((member) => push.subscribers.move(shard, member, shard.channel, undefined)),
  );
  // Whoever asked while this round read the log is answered by the next one.
  return { ...progress, asks };
}

/** A round without a channel, or without anybody to post to. */
const NOTHING: Round = {
  front: undefined,
  readAt: 0,
  isClosed: false,
  isDone: true,
  isGap: false,
  joining: [],
  members: 0,
};

function progressOf(
  cursor: Cursor,
  { front, readAt, isClosed, isDone, isGap }: Round,
  now: number,
): Progress {
  return {
    delivered: front ?? cursor.delivered,
    at: front ? readAt : cursor.at,
    isClosed: front ? isClosed : cursor.isClosed,
    // Nobody hints when a gap can be sealed, so somebody is told to come and look; one at a time is enough.
    lookAt: isGap && cursor.lookAt <= now ? now + GAP_GRACE_MS + REST_MS : cursor.lookAt,
    isUnclean: cursor.isUnclean && !isDone,
  };
}

const jobOf = ({ shard, attempt }: Errand): Job => ({ ...shard, attempt });

/** Leaves word for whatever is still to be done. */
async function leave(push: Push, errand: Errand, isResting: boolean, isDone: boolean): Promise<void> {
  if (!isDone) await push.jobs.send([jobOf(errand)], 0);
  else if (isResting) {
    const attempt = errand.attempt + 1;
    await push.jobs.send(
      [{ ...errand.shard, attempt }],
      Math.min(REST_MS * 2 ** errand.attempt, MOST_REST_MS),
    );
  }
}

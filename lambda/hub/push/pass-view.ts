/**
 * What one push pass works with: the members of the shard, each with its position, and the log from those positions on.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { formatOffset, isBefore, isSame, type Position } from '../../../protocol/offset.ts';
import { readingOf } from '../keyed/read-keyed.ts';
import type { Channel } from '../log/channel.ts';
import { type ReadResult, read } from '../log/read-log.ts';
import { startSince } from '../log/start-since.ts';
import type { Packed } from './frames.ts';
import {
  type Cursor,
  isOver,
  isOwed,
  type OwnCursor,
  ownCursorIn,
  type Push,
  type Shard,
  type Subscriber,
} from './push-ports.ts';
import { endSubscription } from './subscribe.ts';

/** Pages of the log that are cached for the next pass, so that a long history is read once. A page has up to 1 MB. */
const MAX_PAGES = 16;

/** The shard of an owner, with what it keeps from one pass to the next. */
export interface Ownership {
  /** The shard. */
  readonly shard: Shard;
  /** The cursor as it was committed last. */
  readonly cursor: Cursor;
  /** True in the first pass after an owner that did not let go: its last writes may still be under way. */
  readonly isTakeover: boolean;
  /** Pages that have been read and not posted yet (`pageKey`). */
  readonly pages: Map<string, ReadResult>;
  /** Time after which the lease is too close to its end for another post, in milliseconds since 1970. */
  readonly postUntil: number;
}

/** A member that is not at the head. */
export interface MemberWithCursor {
  /** The member. */
  readonly member: Subscriber;
  /** Its own cursor. */
  readonly own: OwnCursor;
}

/** Members whose connection and token have not ended. */
interface Members {
  /** Those that have everything before the cursor of the shard. */
  readonly atHead: readonly Subscriber[];
  /** Those with an own cursor that can be posted to. */
  readonly behind: readonly MemberWithCursor[];
  /** Those that could not take a frame, and that are left alone for a time. */
  readonly inBackoff: readonly MemberWithCursor[];
}

/** The members of the shard, and what is owed to the head. */
export interface PassView extends Members {
  /** The messages that the head has not had; undefined if there is no member to post to, or if the head must begin first. */
  readonly page: ReadResult | undefined;
  /** Position at which the head begins, if that is not the cursor. */
  readonly begin?: Position | undefined;
}

/** Reads the members of the shard, and what the head has not had yet. */
export async function viewOf(push: Push, channel: Channel, ownership: Ownership): Promise<PassView> {
  const { shard, cursor } = ownership;
  const { delivered } = cursor;
  // The log before the members: a member that subscribed before a message was published is seen together with the message.
  const page = delivered && (await readFrom(push, channel, ownership, delivered));
  const seen = await gatherMembers(push, shard, cursor.fence);
  if (page && seen.atHead.some((member) => isOwed(member, shard, cursor))) return { ...seen, page };
  if (seen.atHead.length > 0) {
    const begin = await beginningOf(push, channel, cursor, seen.atHead);
    return begin || !page ? { ...seen, page: undefined, begin } : { ...seen, page };
  }
  // A read of the newest messages ends in the log, and only there a head can begin.
  const places = seen.behind.map(({ own }) => own.at.foldEnd ?? own.at);
  const [foremost] = places.sort((a, b) => (isBefore(a, b) ? 1 : -1));
  // The head never moves back: a member in backoff may have received something up to it, and must not join before that.
  const isBehindHead = foremost && delivered && isBefore(foremost, delivered);
  if (isBehindHead) return { ...seen, page };
  return { ...seen, page: foremost && (await readFrom(push, channel, ownership, foremost)) };
}

/**
 * Returns the members of the shard by their position. Those whose connection or token has ended are told so and removed.
 * @param fence of the cursor: an own cursor of an earlier term was written late
 */
async function gatherMembers(push: Push, shard: Shard, fence: number): Promise<Members> {
  const now = push.log.clock();
  const members = await push.subscriptions.members(shard);
  const over = members.filter((member) => isOver(member, now));
  await Promise.all(over.map((member) => endSubscription(push, shard, member)));
  const present = members.filter((member) => !isOver(member, now));
  const ownOf = (member: Subscriber): OwnCursor | undefined => {
    const own = ownCursorIn(member, shard.channel);
    return own && (own.term === 0 || own.term >= fence) ? own : undefined;
  };
  const withCursor = present.flatMap((member) => {
    const own = ownOf(member);
    return own ? [{ member, own }] : [];
  });
  return {
    atHead: present.filter((member) => !ownOf(member)),
    behind: withCursor.filter(({ own }) => own.backoffUntil <= now),
    inBackoff: withCursor.filter(({ own }) => own.backoffUntil > now),
  };
}

/**
 * Returns the position at which a head begins whose members all subscribed after the cursor was committed: no member is owed
 * what lies before. Undefined if that is the cursor itself.
 */
async function beginningOf(
  push: Push,
  channel: Channel,
  { delivered }: Cursor,
  atHead: readonly Subscriber[],
): Promise<Position | undefined> {
  const begin = await startSince(push.log, channel, Math.min(...atHead.map(({ since }) => since)));
  return delivered && !isBefore(delivered, begin) ? undefined : begin;
}

/**
 * Reads a page of the log, or returns the cached one. It skips history that is gone. The frame that follows shows that: its
 * `from` is not the last `next`.
 */
export async function readFrom(
  push: Push,
  found: Channel,
  { pages }: Ownership,
  from: Position,
  isConflated = false,
): Promise<ReadResult> {
  const cached = pages.get(pageKey(from, isConflated));
  if (cached) return cached;
  // A member may be further than the channel was when it was looked up.
  const isAhead = from.entry > found.next || (from.foldEnd?.entry ?? 0) > found.next;
  const channel = (isAhead && (await push.log.channels.get(found.name))) || found;
  try {
    // The zero offset keeps its name: nothing lies between it and the beginning.
    return { ...(await readingOf(isConflated)(push.log, channel, from)), from };
  } catch (error) {
    // One position that is gone, or never was, must not stop the other members.
    const isGone = error instanceof Refusal && GONE.has(error.code);
    if (!isGone) throw error;
    return await read(push.log, channel, 'beginning');
  }
}

/** A channel that was created again may have no key, so what asks for one is gone too. */
const GONE: ReadonlySet<string> = new Set(['offset_gone', 'bad_offset', 'bad_request']);

/** Returns the name of a page: a page without replaced values is another one than the whole page. */
const pageKey = (from: Position, isConflated: boolean): string =>
  `${formatOffset(from)}${isConflated ? 'c' : ''}`;

/**
 * Caches what a pass has read and not posted, for the next pass.
 * @param batches of the pass, that of the head first
 * @param head where the head is now
 */
export function cacheUnposted(
  { pages }: Ownership,
  batches: readonly {
    readonly packed: Packed;
    readonly page: ReadResult | undefined;
    readonly isConflated: boolean;
  }[],
  head: Position,
): void {
  pages.clear();
  const cut = batches.filter(({ packed, page }) => page && !packed.isAll);
  for (const { packed, page, isConflated } of cut.slice(0, MAX_PAGES)) {
    if (page && (page === batches[0]?.page || !isSame(packed.end, head)))
      pages.set(pageKey(packed.end, isConflated), remainderOf(page, packed.end));
  }
}

function remainderOf(page: ReadResult, from: Position): ReadResult {
  const entries = page.entries.flatMap((entry) => {
    if (entry.slot < from.entry) return [];
    const skipped = entry.slot === from.entry ? Math.max(0, from.index - entry.first) : 0;
    if (skipped > 0 && skipped >= entry.messages.length) return [];
    return [{ ...entry, first: entry.first + skipped, messages: entry.messages.slice(skipped) }];
  });
  const messages = entries.flatMap((entry) => entry.messages);
  // The log may have grown since the page was read, so its end is not the end of the log, and a gap may be filled.
  return { ...page, from, entries, messages, upToDate: false, isGap: false };
}

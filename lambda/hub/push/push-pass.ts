/**
 * One round of a shard's owner: everyone in the set gets a few frames more, from where he is (PROTOCOL.md §12.4).
 *
 * Most members are together at the cursor, the front. Who has a place of his own, because he asked to begin there or
 * missed a frame, is led up to the front and then joins it. Since the owner alone posts, replay and live cannot race.
 * @module
 */

import { Refusal } from '../../../protocol/errors.ts';
import { formatOffset, isBefore, isSame, type Position } from '../../../protocol/offset.ts';
import type { Channel } from '../log/channel.ts';
import { type ReadResult, read } from '../log/read-log.ts';
import { settleAll } from '../settle-all.ts';
import { emptyFrame, type Packed, pack, withClosed } from './frames.ts';
import { gatherMembers, type Members, type MemberWithCursor } from './members.ts';
import { startSince } from './pattern-start.ts';
import { fence } from './positions.ts';
import { type Batch, type PostOutcome, postBatch, type Recipients } from './post-batches.ts';
import type { Cursor, OwnCursor, Push, Shard, Subscriber } from './push-ports.ts';

/** Frames to each member in one round: what one who replays a long history can hold the others up for. */
const FRAMES_PER_ROUND = 4;

/** Different places that are read from in one round. */
const PLACES_PER_ROUND = 50;

/** What is left of pages of the log, at most, so that a long history is read once; a page has 1 MB. */
const MAX_PAGES = 16;

export interface Ownership {
  readonly shard: Shard;
  readonly cursor: Cursor;
  /** True in the first round after an owner that did not let go: its last writes may still be on their way. */
  readonly isTakeover: boolean;
  /** What has been read and not posted yet, by where it begins. */
  readonly pages: Map<string, ReadResult>;
  /** When the lease is too close to its end to post anything more, in milliseconds. */
  readonly postUntil: number;
}

export interface PushPass {
  /** Where the front is now; undefined if nobody is there. */
  readonly front: Position | undefined;
  /** When the log was read that far, in milliseconds. */
  readonly readAt: number;
  /** True if the front is the end of a closed channel. */
  readonly isClosed: boolean;
  /** True if the front has all there is, and so has everyone who does not rest. */
  readonly isDone: boolean;
  /** True if something stands beyond a gap that cannot be sealed yet. */
  readonly isGap: boolean;
  /** When the first of those who rest is to be tried again, in milliseconds; Infinity if nobody rests. */
  readonly restsUntil: number;
  /** Those who have reached the front: they join it once it is committed. */
  readonly joining: readonly Subscriber[];
}

interface View extends Members {
  /** What the front has not had; undefined if there is nobody to post to, or if the front must begin first. */
  readonly page: ReadResult | undefined;
  /** Where the front begins, if that is not the cursor. */
  readonly begin?: Position | undefined;
}

/** Frames for those who stand at one place, and what they were made of. */
interface PassBatch extends Batch {
  readonly page: ReadResult | undefined;
}

export async function runPass(push: Push, channel: Channel, own: Ownership): Promise<PushPass> {
  const { shard, cursor, postUntil } = own;
  const readAt = push.log.clock();
  const { page, begin, atFront, placed, resting } = await look(push, channel, own);
  const rested = resting.map(({ place }) => place.backoffUntil);
  // Whoever was served is owed what follows.
  const owedSince = Math.max(readAt, ...atFront.map(({ since }) => since));
  if (begin || !page) await takeOver(push, own, [...placed, ...resting]);
  // A new beginning is committed before anything is posted: if this owner dies, the next must not choose another.
  if (begin) return { ...nothing(rested), front: begin, readAt: owedSince, isDone: false };
  if (!page) return nothing(rested);
  const packed = packFor(channel, own, page, undefined, cursor.isUnclean);
  const isClosed = packed.isAll && page.closed;
  const front: PassBatch = {
    members: atFront.map((member) => ({ member, place: undefined })),
    packed: isClosed && !isTold(cursor, packed.end) ? closing(channel, shard.pattern, packed) : packed,
    isUnsure: cursor.isUnclean,
    isEnd: isClosed,
    page,
  };
  const groups = grouped(placed);
  const legs = await catchingUp(push, channel, own, groups.slice(0, PLACES_PER_ROUND), packed.end);
  const ended = legs.map((leg) =>
    isClosed && (!isBefore(leg.packed.end, packed.end) || (leg.packed.isAll && leg.page?.closed))
      ? { ...leg, packed: closing(channel, shard.pattern, leg.packed), isEnd: true }
      : leg,
  );
  const delivery = { shard, postUntil, term: cursor.term, front: packed.end };
  const posted = [front, ...ended];
  const each = await settleAll(posted.map(async (leg) => await postBatch(push, delivery, leg)));
  for (const [at, leg] of posted.entries()) tellLag(push, leg, each[at] ?? []);
  const fates = each.flat();
  const stayed = posted.flatMap(({ members }, at) =>
    members.filter((_, nth) => each[at]?.[nth]?.kind === 'stays').filter(isPlaced),
  );
  const leftOut = groups.slice(PLACES_PER_ROUND).flatMap(({ members }) => members);
  await takeOver(push, own, [...stayed, ...leftOut, ...resting]);
  keepRest(own, [front, ...legs], packed.end);
  const isBehind =
    leftOut.some(({ place }) => isBefore(place.at, packed.end)) || fates.some(({ kind }) => kind === 'on');
  return {
    front: packed.end,
    readAt: owedSince,
    isClosed,
    isDone: packed.isAll && (page.upToDate || page.isGap) && !isBehind,
    isGap: [front, ...legs].some((leg) => leg.page?.isGap),
    restsUntil: Math.min(...rested, ...fates.flatMap((fate) => (fate.kind === 'rests' ? [fate.until] : []))),
    joining: fates.flatMap((fate) => (fate.kind === 'joins' ? [fate.member] : [])),
  };
}

const isPlaced = (standing: Recipients): standing is MemberWithCursor => standing.place !== undefined;

/** Whoever replays a history, or goes on after a rest, is behind by his own doing. */
function tellLag(
  { watch, log }: Push,
  { members, packed, page }: PassBatch,
  fates: readonly PostOutcome[],
): void {
  const [oldest] = page?.entries ?? [];
  if (!oldest || packed.frames.length === 0) return;
  const isLive = ({ member, place }: Recipients): boolean =>
    member.since <= oldest.time && (place?.backoffs ?? 0) === 0;
  const isToldInTime = members.some((standing, at) => {
    const { kind = 'gone' } = fates[at] ?? {};
    return kind !== 'gone' && kind !== 'rests' && isLive(standing);
  });
  if (isToldInTime) watch.lag(log.clock() - oldest.time);
}

/** True if the front was told of this very end: an earlier life of the channel had another. */
const isTold = ({ isClosed, delivered }: Cursor, end: Position): boolean =>
  isClosed && delivered !== undefined && isSame(delivered, end);

const nothing = (rested: readonly number[]): PushPass => ({
  front: undefined,
  readAt: 0,
  isClosed: false,
  isDone: true,
  isGap: false,
  restsUntil: Math.min(...rested),
  joining: [],
});

/** What the front has not had yet, and who is in the set. No page if there is nobody to post to. */
async function look(push: Push, channel: Channel, own: Ownership): Promise<View> {
  const { shard } = own;
  const { delivered, at } = own.cursor;
  // The log first, the members after: whoever subscribed before a message was published is seen with it.
  const page = delivered && (await readFrom(push, channel, own, delivered));
  const seen = await gatherMembers(push, shard, own.cursor.fence);
  // Who listens to the channel by its name has come to the front by joining it, so the cursor is his in any case.
  // And after an owner that died, everyone may have had something.
  const isOwed = ({ since }: Subscriber) =>
    since <= at || own.cursor.isUnclean || shard.pattern === shard.channel;
  if (page && seen.atFront.some(isOwed)) return { ...seen, page };
  if (seen.atFront.length > 0) {
    const begin = await beginning(push, channel, own.cursor, seen.atFront);
    return begin || !page ? { ...seen, page: undefined, begin } : { ...seen, page };
  }
  const [foremost] = seen.placed.map(({ place }) => place.at).sort((a, b) => (isBefore(a, b) ? 1 : -1));
  // Never back: who rests may have had something up to the cursor, and must be led past that before joining the front.
  const isBehind = foremost && delivered && isBefore(foremost, delivered);
  if (isBehind) return { ...seen, page };
  return { ...seen, page: foremost && (await readFrom(push, channel, own, foremost)) };
}

/**
 * Rewrites the places that the first round of an owner which took over has not written. Before the cursor moves: a member
 * that a late write brought to the front would miss what lies before it.
 */
async function takeOver(
  push: Push,
  { shard, cursor, isTakeover }: Ownership,
  left: readonly MemberWithCursor[],
) {
  if (isTakeover) await settleAll(left.map((one) => fence(push, shard, one, cursor.term)));
}

/**
 * Where a front begins whose members all came after the cursor was left: what lies before them is not owed to anybody.
 * Undefined if that is the cursor itself.
 */
async function beginning(
  push: Push,
  channel: Channel,
  { delivered }: Cursor,
  atFront: readonly Subscriber[],
): Promise<Position | undefined> {
  const begin = await startSince(push.log, channel, Math.min(...atFront.map(({ since }) => since)));
  return delivered && !isBefore(delivered, begin) ? undefined : begin;
}

/** History that is gone is skipped here, and the frame that follows says so: its `from` is not the last `next`. */
async function readFrom(
  push: Push,
  found: Channel,
  { pages }: Ownership,
  from: Position,
): Promise<ReadResult> {
  const kept = pages.get(formatOffset(from));
  if (kept) return kept;
  // Somebody may stand further on than the channel was when it was looked up.
  const isAhead = from.entry > found.next;
  const channel = (isAhead && (await push.log.channels.get(found.name))) || found;
  try {
    // The zero offset stays what it was called: nothing lies between it and the beginning.
    return { ...(await read(push.log, channel, from)), from };
  } catch (error) {
    // One place that is no more, or never was, must not stop the others.
    const isNone = error instanceof Refusal && ['offset_gone', 'bad_offset'].includes(error.code);
    if (!isNone) throw error;
    return await read(push.log, channel, 'beginning');
  }
}

/** Keeps what a round had too many frames of, for the next. */
function keepRest({ pages }: Ownership, legs: readonly PassBatch[], front: Position): void {
  pages.clear();
  const cut = legs.filter(({ packed, page }) => page && !packed.isAll);
  for (const { packed, page } of cut.slice(0, MAX_PAGES)) {
    if (page && (page === legs[0]?.page || !isSame(packed.end, front)))
      pages.set(formatOffset(packed.end), restOf(page, packed.end));
  }
}

function restOf(page: ReadResult, from: Position): ReadResult {
  const entries = page.entries.flatMap((entry) => {
    if (entry.slot < from.entry) return [];
    const skipped = entry.slot === from.entry ? from.index - entry.first : 0;
    return [{ ...entry, first: entry.first + skipped, messages: entry.messages.slice(skipped) }];
  });
  const messages = entries.flatMap((entry) => entry.messages);
  // What was the end when it was read, or a gap, need not be any more: the log is asked again before anybody lets go.
  return { ...page, from, entries, messages, upToDate: false, isGap: false };
}

function packFor(
  channel: Channel,
  { shard }: Ownership,
  page: ReadResult,
  limit: Position | undefined,
  isByEntry: boolean,
): Packed {
  return pack(channel, page, page.from, { pattern: shard.pattern, limit, isByEntry, most: FRAMES_PER_ROUND });
}

/** Says with the last frame, or with one of its own, that this is the end of a closed channel. */
function closing(channel: Channel, pattern: string, packed: Packed): Packed {
  const last = packed.frames.at(-1) ?? emptyFrame(channel, pattern, packed.end);
  return { ...packed, frames: [...packed.frames.slice(0, -1), { ...last, text: withClosed(last.text) }] };
}

interface Group {
  readonly place: Pick<OwnCursor, 'at' | 'isUnsure'>;
  readonly members: MemberWithCursor[];
}

/** Those at the same place together, the hindmost first. */
function grouped(placed: readonly MemberWithCursor[]): Group[] {
  const groups = new Map<string, Group>();
  for (const one of placed) {
    const { at, isUnsure } = one.place;
    const key = `${formatOffset(at)}${isUnsure}`;
    const group = groups.get(key) ?? { place: { at, isUnsure }, members: [] };
    group.members.push(one);
    groups.set(key, group);
  }
  return [...groups.values()].sort((one, other) => (isBefore(one.place.at, other.place.at) ? -1 : 1));
}

/** The way to the front of everyone who is not there; whoever is ahead of it waits for it. */
async function catchingUp(
  push: Push,
  channel: Channel,
  own: Ownership,
  groups: readonly Group[],
  front: Position,
): Promise<PassBatch[]> {
  return await settleAll(
    groups.map(async ({ place: { at, isUnsure }, members }) => {
      const isByEntry = isUnsure || own.cursor.isUnclean;
      const page = isBefore(at, front) ? await readFrom(push, channel, own, at) : undefined;
      const packed = page
        ? packFor(channel, own, page, front, isByEntry)
        : { frames: [], end: at, isAll: true };
      return { members, packed, isUnsure: isByEntry, isEnd: false, page };
    }),
  );
}

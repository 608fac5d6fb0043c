/**
 * One pass of a shard's owner: every member gets a few more frames, from its own position on (PROTOCOL.md §12.4).
 *
 * Most members are together at the head, which is the cursor of the shard. A member that began at an older offset, or that
 * missed a frame, has an own cursor. The owner posts to it until it has reached the head, and then it joins the head. Since only
 * the owner posts, history and live messages cannot overtake each other.
 * @module
 */
import { formatOffset, isBefore, isSame, type Position } from '../../../protocol/offset.ts';
import type { Channel } from '../log/channel.ts';
import type { ReadResult } from '../log/read-log.ts';
import { settleAll } from '../settle-all.ts';
import { emptyFrame, type FramedChannel, type Packed, pack, withClosed } from './frames.ts';
import type { Step } from './in-step.ts';
import { cacheUnposted, type MemberWithCursor, type Ownership, readFrom, viewOf } from './pass-view.ts';
import { fence } from './positions.ts';
import { type Batch, type PostResult, postBatch, type Recipient } from './post-batches.ts';
import type { Cursor, OwnCursor, Push, Subscriber } from './push-ports.ts';

/** Frames to each member in one pass: limits how long a member that reads a long history delays the others. */
const FRAMES_PER_PASS = 4;

/** Positions of own cursors that are read from in one pass. */
const POSITIONS_PER_PASS = 50;

/** The result of a pass. */
export interface PushPass {
  /** Position of the head now; undefined if it has not moved because no member is there. */
  readonly head: Position | undefined;
  /** Time at which the log was read that far, in milliseconds since 1970. */
  readonly readAt: number;
  /** True if the head is the end of a closed channel. */
  readonly isClosed: boolean;
  /** True if the head has all there is, and so has every member that is not in backoff. */
  readonly isDone: boolean;
  /** True if something stands beyond a gap that cannot be sealed yet. */
  readonly isGap: boolean;
  /** Time at which the first backoff ends, in milliseconds since 1970; Infinity if no member is in backoff. */
  readonly backoffUntil: number;
  /** Members that have reached the head. They join it when it has been committed. */
  readonly joining: readonly Subscriber[];
  /**
   * The members at the head, if the head is the end of what is stored, and every other member is in backoff or gone. Then a pass in
   * step may serve them. Else undefined.
   */
  readonly settled: readonly Subscriber[] | undefined;
}

/** Frames for the members at one position, and the page that they were made of. */
interface PassBatch extends Batch {
  readonly page: ReadResult | undefined;
  /** True if values were left out that newer ones of the same key have replaced. */
  readonly isConflated: boolean;
}

/** Posts a few frames to every member. The caller commits the result. */
export async function runPass(push: Push, channel: Channel, ownership: Ownership): Promise<PushPass> {
  const readAt = push.log.clock();
  const { page, begin, atHead, behind, inBackoff } = await viewOf(push, channel, ownership);
  const backoffEnds = inBackoff.map(({ own }) => own.backoffUntil);
  // A member that was posted to is owed what follows, also if it subscribed after `readAt`.
  const owedSince = Math.max(readAt, ...atHead.map(({ since }) => since));
  if (begin || !page) await fenceAfterTakeover(push, ownership, [...behind, ...inBackoff]);
  // A new beginning is committed before anything is posted: if this owner dies, the next must not choose another.
  if (begin) return { ...nothing(backoffEnds), head: begin, readAt: owedSince, isDone: false };
  if (!page) return nothing(backoffEnds);
  const headBatch = headBatchOf(channel, ownership, page, atHead);
  const { isEnd: isClosed, packed } = headBatch;
  const groups = groupByPosition(behind);
  const served = groups.slice(0, POSITIONS_PER_PASS);
  const leftOut = groups.slice(POSITIONS_PER_PASS).flatMap(({ recipients }) => recipients);
  const batches = [headBatch, ...(await batchesBehind(push, channel, ownership, served, headBatch))];
  const results = await postAll(push, ownership, batches, packed.end);
  const stayed = results.filter(({ outcome }) => outcome.kind === 'stays').map(({ recipient }) => recipient);
  await fenceAfterTakeover(push, ownership, [...stayed.filter(hasOwnCursor), ...leftOut, ...inBackoff]);
  cacheUnposted(ownership, batches, packed.end);
  const isBehind =
    leftOut.some(({ own }) => isBefore(own.at, packed.end)) ||
    results.some(({ outcome }) => outcome.kind === 'advanced');
  const isDone = packed.isAll && (page.upToDate || page.isGap) && !isBehind;
  const isSettled = isDone && !page.isGap && behind.length === 0;
  const newBackoffs = results.flatMap(({ outcome }) => (outcome.kind === 'backsOff' ? [outcome.until] : []));
  return {
    head: packed.end,
    readAt: owedSince,
    isClosed,
    isDone,
    isGap: batches.some((batch) => batch.page?.isGap),
    backoffUntil: Math.min(...backoffEnds, ...newBackoffs),
    joining: results.flatMap(({ recipient, outcome }) =>
      outcome.kind === 'joins' ? [recipient.member] : [],
    ),
    settled: isSettled ? settledOf(atHead, results) : undefined,
  };
}

/** Posts the entry of a hint to members that are all at the head. The caller commits the result. */
export async function runStep(
  push: Push,
  { channel, page, members }: Step,
  ownership: Ownership,
): Promise<PushPass> {
  const readAt = push.log.clock();
  const batch = headBatchOf(channel, ownership, page, members);
  const { packed } = batch;
  const results = await postAll(push, ownership, [batch], packed.end);
  cacheUnposted(ownership, [batch], packed.end);
  const backoffs = results.flatMap(({ outcome }) => (outcome.kind === 'backsOff' ? [outcome.until] : []));
  return {
    ...nothing(backoffs),
    head: packed.end,
    readAt: Math.max(readAt, ...members.map(({ since }) => since)),
    isDone: packed.isAll,
    settled: packed.isAll ? settledOf(members, results) : undefined,
  };
}

/** Returns the members at the head that have taken their frames, the same list if these are all. */
function settledOf(atHead: readonly Subscriber[], results: readonly PostResult[]): readonly Subscriber[] {
  if (results.every(({ outcome }) => outcome.kind === 'stays')) return atHead;
  return results.flatMap(({ recipient, outcome }) => (outcome.kind === 'stays' ? [recipient.member] : []));
}

/** Posts all batches in parallel, and reports their lag. */
async function postAll(
  push: Push,
  { shard, postUntil, cursor }: Ownership,
  batches: readonly PassBatch[],
  head: Position,
): Promise<PostResult[]> {
  const task = { shard, postUntil, term: cursor.term, head };
  const posted = await settleAll(
    batches.map(async (batch) => ({ batch, results: await postBatch(push, task, batch) })),
  );
  for (const { batch, results } of posted) reportLag(push, batch, results);
  return posted.flatMap(({ results }) => results);
}

const hasOwnCursor = (recipient: Recipient): recipient is MemberWithCursor => recipient.own !== undefined;

/** Reports the lag of live members. A member that reads history, or comes out of a backoff, is late by its own doing. */
function reportLag({ watch, log }: Push, { packed, page }: PassBatch, results: readonly PostResult[]): void {
  const [oldest] = page?.entries ?? [];
  if (!oldest || packed.frames.length === 0) return;
  const isLive = ({ member, own }: Recipient): boolean =>
    member.since <= oldest.time && (own?.backoffs ?? 0) === 0;
  const hasLiveMember = results.some(
    ({ recipient, outcome }) => outcome.kind !== 'gone' && outcome.kind !== 'backsOff' && isLive(recipient),
  );
  if (hasLiveMember) watch.lag(log.clock() - oldest.time);
}

/** Returns the batch of the members at the head. It has the end of a closed channel once, unless the head was told before. */
function headBatchOf(
  channel: FramedChannel,
  ownership: Ownership,
  page: ReadResult,
  atHead: readonly Subscriber[],
): PassBatch {
  const { shard, cursor } = ownership;
  const packed = packFor(channel, ownership, page, undefined, cursor.isUnclean);
  const isEnd = packed.isAll && page.closed;
  return {
    recipients: atHead.map((member) => ({ member, own: undefined })),
    packed: isEnd && !isTold(cursor, packed.end) ? closing(channel, shard.pattern, packed) : packed,
    isUnsure: cursor.isUnclean,
    isEnd,
    page,
    isConflated: false,
  };
}

/** Returns true if the head was told of this very end: an earlier life of the channel had another. */
const isTold = ({ isClosed, delivered }: Cursor, end: Position): boolean =>
  isClosed && delivered !== undefined && isSame(delivered, end);

const nothing = (backoffEnds: readonly number[]): PushPass => ({
  head: undefined,
  readAt: 0,
  isClosed: false,
  isDone: true,
  isGap: false,
  backoffUntil: Math.min(...backoffEnds),
  joining: [],
  settled: undefined,
});

/**
 * Rewrites the own cursors that the first pass after a takeover has not written. It does so before the head moves: a late write
 * of the earlier owner could bring a member to the head, and the member would miss what lies before it.
 */
async function fenceAfterTakeover(
  push: Push,
  { shard, cursor, isTakeover }: Ownership,
  members: readonly MemberWithCursor[],
) {
  if (isTakeover) await settleAll(members.map((one) => fence(push, shard, one, cursor.term)));
}

function packFor(
  channel: FramedChannel,
  { shard }: Ownership,
  page: ReadResult,
  limit: Position | undefined,
  isByEntry: boolean,
): Packed {
  return pack(channel, page, page.from, { pattern: shard.pattern, limit, isByEntry, most: FRAMES_PER_PASS });
}

/** Says with the last frame, or with an empty one, that this is the end of a closed channel. */
function closing(channel: FramedChannel, pattern: string, packed: Packed): Packed {
  const last = packed.frames.at(-1) ?? emptyFrame(channel, pattern, packed.end);
  return { ...packed, frames: [...packed.frames.slice(0, -1), { ...last, text: withClosed(last.text) }] };
}

interface Group {
  readonly own: Pick<OwnCursor, 'at' | 'isUnsure'>;
  readonly isConflated: boolean;
  readonly recipients: MemberWithCursor[];
}

/** Returns the members by position, the one that is furthest behind first. */
function groupByPosition(behind: readonly MemberWithCursor[]): Group[] {
  const groups = new Map<string, Group>();
  for (const one of behind) {
    const { at, isUnsure } = one.own;
    const isConflated = one.member.isConflated === true;
    const key = `${formatOffset(at)}${isUnsure}${isConflated}`;
    const group = groups.get(key) ?? { own: { at, isUnsure }, isConflated, recipients: [] };
    group.recipients.push(one);
    groups.set(key, group);
  }
  return [...groups.values()].sort((one, other) => (isBefore(one.own.at, other.own.at) ? -1 : 1));
}

/** Returns a batch for each group, up to the head. A group that is ahead of the head gets no frame, and waits for it. */
async function batchesBehind(
  push: Push,
  channel: Channel,
  ownership: Ownership,
  groups: readonly Group[],
  { packed: { end: head }, isEnd: isClosed }: PassBatch,
): Promise<PassBatch[]> {
  return await settleAll(
    groups.map(async ({ own: { at, isUnsure }, isConflated, recipients }) => {
      const isByEntry = isUnsure || ownership.cursor.isUnclean;
      const page = isBefore(at, head) ? await readFrom(push, channel, ownership, at, isConflated) : undefined;
      const packed = page
        ? packFor(channel, ownership, page, head, isByEntry)
        : { frames: [], end: at, isAll: true };
      const isEnd = isClosed && (!isBefore(packed.end, head) || (packed.isAll && page?.closed === true));
      return {
        recipients,
        packed: isEnd ? closing(channel, ownership.shard.pattern, packed) : packed,
        isUnsure: isByEntry,
        isEnd,
        page,
        isConflated,
      };
    }),
  );
}

/**
 * One round of a shard's owner: everyone in the set gets a few frames more, from where he is (PROTOCOL.md §12.4).
 *
 * Most members are together at the cursor, the front. Who has a place of his own, because he asked to begin there or
 * missed a frame, is led up to the front and then joins it. Since the owner alone posts, replay and live cannot race.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import type { Position } from '../../protocol/offset.ts';
import type { Channel } from './channel.ts';
import { emptyFrame, isBefore, isSame, type Packed, pack, withClosed } from './frames.ts';
import type { Cursor, Place, Shard, Subscriber } from './listeners.ts';
import type { Push } from './push.ts';
import { type ReadResult, read } from './read.ts';
import { startSince } from './since.ts';
import { endSubscription, forget } from './subscribe.ts';

/** Frames to each member in one round: what one who replays a long history can hold the others up for. */
const FRAMES_PER_ROUND = 4;

/** Different places that are read from in one round. */
const PLACES_PER_ROUND = 50;

export interface Ownership {
  readonly shard: Shard;
  readonly cursor: Cursor;
  /** Members who could not take a frame: they are left alone until another time. */
  readonly resting: Set<string>;
  /** When the lease is too close to its end to post anything more, in milliseconds. */
  readonly postUntil: number;
}

export interface Round {
  /** Where the front is now; undefined if nobody is there. */
  readonly front: Position | undefined;
  /** When the log was read that far, in milliseconds. */
  readonly readAt: number;
  /** True if the front is the end of a closed channel. */
  readonly isClosed: boolean;
  /** True if the front has all there is, and so has everyone who is not resting. */
  readonly isDone: boolean;
  /** True if there is something behind a gap. */
  readonly isGap: boolean;
  /** Those who have reached the front: they join it once it is committed. */
  readonly joining: readonly Subscriber[];
  readonly members: number;
}

/** Thrown when the lease may end before what is under way does. */
export class LeaseAtRisk extends Error {}

interface Placed {
  readonly member: Subscriber;
  readonly place: Place;
}

/** Who is where. */
interface Muster {
  readonly atFront: readonly Subscriber[];
  readonly placed: readonly Placed[];
}

interface Batch {
  readonly members: readonly Subscriber[];
  readonly packed: Packed;
  readonly isFront: boolean;
  /** True if an earlier attempt at what is in it may have arrived. */
  readonly isUnsure: boolean;
}

/** Undefined if there is nobody to post to. */
export async function round(push: Push, channel: Channel, own: Ownership): Promise<Round | undefined> {
  const { resting, cursor } = own;
  const readAt = push.log.clock();
  const seen = await look(push, channel, own);
  if (!seen) return undefined;
  const { page, atFront, placed } = seen;
  const front = packFor(channel, own, page, undefined, cursor.isUnclean);
  const isClosed = front.isAll && page.closed;
  // A channel is closed with its last message or with none, and then a frame of its own says so.
  const isNews = isClosed && front.frames.length === 0 && !cursor.isClosed;
  const last = isNews ? [emptyFrame(channel, own.shard.pattern, front.end)] : front.frames;
  const batches: Batch[] = [
    ...(await catchingUp(push, channel, own, grouped(placed).slice(0, PLACES_PER_ROUND), front.end)),
    { members: atFront, packed: { ...front, frames: last }, isFront: true, isUnsure: cursor.isUnclean },
  ];
  const joined = batches.map(async (batch) => {
    const isEnd = isClosed && isSame(batch.packed.end, front.end);
    return await deliver(push, own, isEnd ? closing(channel, own.shard.pattern, batch) : batch, front.end);
  });
  const joining = (await Promise.all(joined)).flat();
  const isBehind = placed.some(
    ({ member, place }) =>
      isBefore(place.at, front.end) && !joining.includes(member) && !resting.has(member.connection),
  );
  return {
    front: front.end,
    readAt,
    isClosed,
    isDone: front.isAll && page.upToDate && !isBehind,
    isGap: page.upToDate && page.next.entry < channel.next,
    joining,
    members: atFront.length + placed.length,
  };
}

/** What the front has not had yet, and who is in the set. */
async function look(
  push: Push,
  channel: Channel,
  own: Ownership,
): Promise<(Muster & { readonly page: ReadResult }) | undefined> {
  const { delivered, at } = own.cursor;
  // The log first, the members after: whoever subscribed before a message was published is seen with it.
  const page = delivered && (await readFrom(push, channel, delivered));
  const seen = await muster(push, own);
  if (page && seen.atFront.some(({ since }) => since <= at)) return { ...seen, page };
  if (seen.atFront.length > 0) {
    // They came after the cursor was left: what lies before them is not owed to anybody.
    const begin = await startSince(push.log, channel, Math.min(...seen.atFront.map(({ since }) => since)));
    const start = delivered && isBefore(begin, delivered) ? delivered : begin;
    const young = await readFrom(push, channel, start);
    return { ...(await muster(push, own)), page: young };
  }
  const [foremost] = seen.placed.map(({ place }) => place.at).sort((a, b) => (isBefore(a, b) ? 1 : -1));
  return foremost && { ...seen, page: await readFrom(push, channel, foremost) };
}

/** Members whose connection and token still last, by where they are; the others are told, and forgotten. */
async function muster(push: Push, { shard, resting }: Ownership): Promise<Muster> {
  const now = push.log.clock();
  const members = await push.subscribers.members(shard);
  const isOver = ({ until, allowedUntil = until }: Subscriber) => Math.min(until, allowedUntil) <= now;
  await Promise.all(members.filter(isOver).map((member) => endSubscription(push, shard, member)));
  const present = members.filter((member) => !isOver(member));
  return {
    atFront: present.filter(({ places }) => !Object.hasOwn(places, shard.channel)),
    placed: present.flatMap((member) => {
      const place = member.places[shard.channel];
      return place && !resting.has(member.connection) ? [{ member, place }] : [];
    }),
  };
}

/** History that is gone is skipped here, and the frame that follows says so: its `from` is not the last `next`. */
async function readFrom(push: Push, found: Channel, from: Position): Promise<ReadResult> {
  // Somebody may stand further on than the channel was when it was looked up.
  const isAhead = from.entry > found.next;
  const channel = (isAhead && (await push.log.channels.get(found.name))) || found;
  try {
    // The zero offset stays what it was called: nothing lies between it and the beginning.
    return { ...(await read(push.log, channel, from)), from };
  } catch (error) {
    if (!(error instanceof Refusal && error.code === 'offset_gone')) throw error;
    return await read(push.log, channel, 'beginning');
  }
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

/** Says with the last frame that it is the end of a closed channel. */
function closing(channel: Channel, pattern: string, batch: Batch): Batch {
  const { frames, end } = batch.packed;
  // Those at the front were told before; who stands at the end in a place of his own has not been told anything yet.
  const last = frames.at(-1) ?? (batch.isFront ? undefined : emptyFrame(channel, pattern, end));
  if (!last) return batch;
  const closed = [...frames.slice(0, -1), { ...last, text: withClosed(last.text) }];
  return { ...batch, packed: { ...batch.packed, frames: closed } };
}

interface Group {
  readonly place: Place;
  readonly members: Subscriber[];
}

/** Those at the same place together, the hindmost first. */
function grouped(placed: readonly Placed[]): Group[] {
  const groups = new Map<string, Group>();
  for (const { member, place } of placed) {
    const key = JSON.stringify(place);
    const group = groups.get(key) ?? { place, members: [] };
    group.members.push(member);
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
): Promise<Batch[]> {
  return await Promise.all(
    groups.map(async ({ place: { at, isUnsure }, members }) => {
      const isByEntry = isUnsure || own.cursor.isUnclean;
      const packed = isBefore(at, front)
        ? packFor(channel, own, await readFrom(push, channel, at), front, isByEntry)
        : { frames: [], end: at, isAll: true };
      return { members, packed, isFront: false, isUnsure: isByEntry };
    }),
  );
}

/** Posts a batch to its members, each at his own pace, and answers who joins the front. */
async function deliver(push: Push, own: Ownership, batch: Batch, front: Position): Promise<Subscriber[]> {
  const { packed, isFront, isUnsure } = batch;
  const { shard } = own;
  const joining = await Promise.all(
    batch.members.map(async (member) => {
      const place = await postAll(push, own, member, batch);
      if (place === 'gone') return [];
      if (place) await push.subscribers.move(shard, member, shard.channel, place);
      if (place || isFront) return [];
      if (isSame(packed.end, front)) return [member];
      const moved = { at: packed.end, isUnsure };
      if (packed.frames.length > 0) await push.subscribers.move(shard, member, shard.channel, moved);
      return [];
    }),
  );
  return joining.flat();
}

/** Frame after frame, as long as they arrive. Answers the place of one that did not. */
async function postAll(
  push: Push,
  own: Ownership,
  member: Subscriber,
  { packed, isUnsure }: Batch,
): Promise<Place | 'gone' | undefined> {
  for (const frame of packed.frames) {
    if (push.log.clock() >= own.postUntil) throw new LeaseAtRisk();
    const posted = await push.connections.post(member.connection, frame.text);
    if (posted === 'sent') continue;
    if (posted === 'gone') {
      await forget(push, member.connection, own.shard);
      return 'gone';
    }
    own.resting.add(member.connection);
    // What was unsure stays so until the front is reached: any later frame may have arrived, too, before this one did not.
    return { at: frame.from, isUnsure: posted === 'unsure' || isUnsure };
  }
  return undefined;
}

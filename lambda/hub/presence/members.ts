/**
 * Who comes into a channel and who leaves it (PROTOCOL.md §14). These functions only write the rows of members, and send a look. The
 * settler (settle.ts) publishes.
 * @module
 */
import { MAX_PRESENCE_DATA_BYTES } from '../../../protocol/limits.ts';
import { hasPresence } from '../../../protocol/presence.ts';
import { settleAll } from '../settle-all.ts';
import type { Member, MemberStore, MemberValue, Noting } from './presence-ports.ts';

/**
 * Delay of the look that is sent before a member is stored, in milliseconds: longer than the write may take. A process that dies after
 * the write has sent it already.
 */
const SAFETY_LOOK_MS = 10_000;

/** A member whose row is valid for so much longer than needed is not written again, in milliseconds. Long polls of a busy channel are. */
const SLACK_MS = 3_000;

/**
 * A removal ends a member that came up to this long after it by another clock, in milliseconds: as for subscriptions
 * (lambda/hub/push/subscribe.ts).
 */
const CLOCKS_DIFFER_MS = 100;

/** A member as it comes or is seen again. `data` is undefined if it says nothing new. */
export type Arriving = Omit<Member, 'since' | 'data' | 'at'> & { readonly data: string | undefined };

/** The data of a member that says nothing about itself. */
const NOTHING = 'null';

/** Returns true if a member is in its channel at that time. */
export const isIn = ({ until }: Member, now: number): boolean => until > now;

/**
 * Notes that a connection is in a channel until a time. It changes the data of a member that is in the channel, and moves its time on.
 * It costs one read, and a write if that is not yet stored; two looks if others must learn of it.
 * @throws Refusal unavailable
 */
export async function enter(noting: Noting, channel: string, arriving: Arriving): Promise<void> {
  const { members, clock } = noting;
  await store(noting, channel, arriving, await members.get(channel, arriving.id), clock());
}

/** Notes that a member was seen. A connection that never entered the channel stays out. @throws Refusal unavailable */
export async function seen(noting: Noting, channel: string, id: string, until: number): Promise<void> {
  const { members, clock } = noting;
  const there = await members.get(channel, id);
  if (there) await store(noting, channel, { ...there, until }, there, clock());
}

async function store(
  { members, looks }: Noting,
  channel: string,
  arriving: Arriving,
  there: Member | undefined,
  now: number,
): Promise<void> {
  const wasIn = there !== undefined && isIn(there, now);
  const until = Math.max(arriving.until, wasIn ? there.until : 0);
  const keptUntil = Math.max(arriving.keptUntil, until);
  const { data = wasIn ? there.data : NOTHING } = arriving;
  // One reader may have a stream and a long poll at a time: its transport must not change with each request.
  const { transport } = wasIn ? there : arriving;
  const since = wasIn ? there.since : now;
  const member = { ...arriving, transport, data, since, until, keptUntil, at: now };
  const isKnown = wasIn && shownValue(member) === shownValue(there);
  if (isKnown && until - there.until <= SLACK_MS) return;
  if (isKnown) return await members.extend(channel, member);
  await looks.send(channel, SAFETY_LOOK_MS);
  await members.put(channel, member);
  await looks.send(channel, 0);
}

/** Notes that a connection has left those of the channels that have presence. @throws Refusal unavailable */
export async function leaveAll(noting: Noting, channels: readonly string[], id: string): Promise<void> {
  const left = channels.filter((channel) => hasPresence(noting.patterns, channel));
  await settleAll(left.map((channel) => leave(noting, channel, id)));
}

/** Notes that a connection has left a channel. It succeeds also if it was not there. @throws Refusal unavailable */
export async function leave({ members, looks, clock }: Noting, channel: string, id: string): Promise<void> {
  await members.remove(channel, id, clock() + CLOCKS_DIFFER_MS);
  await looks.send(channel, 0);
}

/** Returns the value of a member as its readers get it. */
export const shownValue = ({ principal, transport, since, data }: MemberValue): string =>
  JSON.stringify({
    principal: principal ?? null,
    transport,
    since: new Date(since).toISOString(),
    data: JSON.parse(data),
  });

/** Returns data as it is stored; undefined if it is too large. @param data any JSON value */
export function dataText(data: unknown): string | undefined {
  const text = JSON.stringify(data ?? null);
  return new TextEncoder().encode(text).byteLength <= MAX_PRESENCE_DATA_BYTES ? text : undefined;
}

/** The members of a channel. */
export interface Roll {
  /** How many they are. */
  readonly count: number;
  /** Those that came first. */
  readonly members: readonly Member[];
}

/** Returns who is in a channel. @param most the largest number of members in the answer @throws Refusal unavailable */
export async function rollOf(
  { members, clock }: { readonly members: Pick<MemberStore, 'of'> } & Pick<Noting, 'clock'>,
  channel: string,
  most: number,
): Promise<Roll> {
  const now = clock();
  const all = (await members.of(channel)).filter((member) => isIn(member, now));
  const sorted = all.toSorted((a, b) => a.since - b.since || (a.id < b.id ? -1 : 1));
  return { count: all.length, members: sorted.slice(0, most) };
}

/**
 * A push in step: the hint carries the next entry, which the shard has not had, and this process remembers the members. Then the
 * owner reads nothing (docs/adr/0014-hints-with-entries.md). In every other case it reads the log, which is the truth.
 * @module
 */
import { isSame } from '../../../protocol/offset.ts';
import type { HintedEntry } from '../log/entry.ts';
import type { ReadResult } from '../log/read-log.ts';
import type { FramedChannel } from './frames.ts';
import type { Ownership } from './pass-view.ts';
import { type RememberedMembers, rosterOf } from './push-memory.ts';
import { isOver, isOwed, type Push, type Shard, type Subscriber } from './push-ports.ts';

/**
 * Age up to which the entry of a hint is posted without a look at the log, in milliseconds. The channel may have been deleted
 * since. A pass that has looked may post for about as long after that (LEASE_MS less LEASE_MARGIN_MS in push-shard.ts).
 */
export const ENTRY_FRESH_MS = 5_000;

/** What a hint brings to a pass. */
export interface HintNews {
  /** The entry, if the hint carries one. */
  readonly entry: HintedEntry | undefined;
  /** True if the hint says that the channel was closed. */
  readonly isClosing: boolean;
  /** The version of the pattern when the hint was handled (`PatternState`); undefined if it was not looked up. */
  readonly version: string | undefined;
}

/** All that a pass in step posts. */
export interface Step {
  /** The channel, as far as a frame names it. */
  readonly channel: FramedChannel;
  /** The entry of the hint, as a page of the log. */
  readonly page: ReadResult;
  /** The members at the head: everyone that gets it. */
  readonly members: readonly Subscriber[];
}

/** Returns what to post in step; undefined if the owner has to read. */
export function stepOf(
  { log, memory }: { readonly log: Pick<Push['log'], 'clock'>; readonly memory: Push['memory'] },
  { entry, isClosing, version }: HintNews,
  { shard, cursor, isTakeover }: Omit<Ownership, 'pages' | 'postUntil'>,
): Step | undefined {
  const { delivered, streamId, roster } = cursor;
  const now = log.clock();
  if (!entry || !delivered || entry.streamId !== streamId) return undefined;
  const { slot, time, messages, contentType } = entry;
  if (!isSame(delivered, { entry: slot, index: 0 }) || now - time > ENTRY_FRESH_MS) return undefined;
  if (isClosing || isTakeover || cursor.isUnclean || cursor.isClosed) return undefined;
  const known = memory.members.get(membersKey(shard));
  if (!known || known.version !== version || known.roster !== roster || !isYoung(known, now))
    return undefined;
  const { members } = known;
  if (members.some((member) => isOver(member, now))) return undefined;
  if (!members.some((member) => isOwed(member, shard, cursor))) return undefined;
  const page = {
    from: delivered,
    next: { entry: slot + 1, index: 0 },
    entries: [{ slot, first: 0, messages, time }],
    messages,
    // A later entry has a hint of its own, which asks this owner to look once more.
    upToDate: true,
    closed: false,
    isGap: false,
  };
  return { channel: { name: shard.channel, contentType }, page, members };
}

/**
 * Remembers the members at the head after a pass that has read them. Returns their roster for the cursor; 0 if no pass in step may
 * follow.
 * @param version of the pattern before they were read; undefined if it was not looked up
 * @param at time before they were read, in milliseconds since 1970
 */
export function rememberMembers(
  { members: known }: Pick<Push['memory'], 'members'>,
  shard: Shard,
  members: readonly Subscriber[] | undefined,
  version: string | undefined,
  at: number,
): number {
  if (!members) return 0;
  const roster = rosterOf(members);
  if (version !== undefined) known.set(membersKey(shard), { members, roster, version, at });
  return roster;
}

/**
 * Returns the name under which the members of a shard are remembered. Each channel of a pattern has its own: a member may be at the
 * head of one, and in backoff in another.
 */
const membersKey = ({ channel, pattern, shard }: Shard): string => `${channel} ${pattern}#${shard}`;

/**
 * How long members are remembered, in milliseconds. Their version says when they change. This ends what it cannot say: a
 * subscription that was stored by a late write.
 */
const REMEMBERED_MS = 60_000;

const isYoung = ({ at }: RememberedMembers<Subscriber>, now: number): boolean => now - at < REMEMBERED_MS;

/**
 * What a process remembers from one push to the next. All of it can be lost, and none of it is believed without a proof.
 *
 * The members of a shard are remembered with two proofs. The version of the pattern, which every hint looks up, says that nobody
 * has joined or left since. The roster of the cursor says that the last owner posted to exactly these members, and left them at
 * the head. Both are needed: a member that joins is stored before the version changes, so two processes may remember
 * different members by the same version.
 * @module
 */
import { type Recent, recent } from '../bounded-map.ts';

/** The members of a shard that were at the head after they had been read. */
export interface RememberedMembers<M> {
  /** The members. */
  readonly members: readonly M[];
  /** The members as one number. */
  readonly roster: number;
  /** The version of the pattern before they were read. */
  readonly version: string;
  /** Time before they were read, in milliseconds since 1970. */
  readonly at: number;
}

/** What one process remembers. */
export interface PushMemory<M> {
  /** Channel → patterns with one shard that had subscribers. A hint looks up their cursors together with the patterns. */
  readonly patterns: Recent<readonly string[]>;
  /** Shard → its members at the head. */
  readonly members: Recent<RememberedMembers<M>>;
}

/** Channels that a process remembers. */
const CHANNELS_REMEMBERED = 10_000;

/** Members that a process remembers: about 50 MB. */
const MEMBERS_REMEMBERED = 100_000;

/** Returns an empty memory. */
export const pushMemory = <M>(): PushMemory<M> => ({
  patterns: recent(CHANNELS_REMEMBERED),
  members: recent(MEMBERS_REMEMBERED, ({ members }) => 1 + members.length),
});

/**
 * Returns the members as one number above 0, whatever their order: the sum of hashes of their ids (FNV-1a and a variant of it, 53
 * bits). Ids are random, so two sets with the same number do not come by chance.
 */
export function rosterOf(members: readonly { readonly id: string }[]): number {
  let high = 0;
  let low = 0;
  for (const { id } of members) {
    let one = 0x811c9dc5;
    let other = 0x9dc5811c;
    for (let at = 0; at < id.length; at++) {
      const unit = id.charCodeAt(at);
      one = Math.imul(one ^ unit, 0x01000193);
      other = Math.imul(other + unit, 0x01000193) ^ (other >>> 15);
    }
    high = (high + one) >>> 0;
    low = (low + other) >>> 0;
  }
  return Math.max(1, (high & 0x1f_ff_ff) * 2 ** 32 + low);
}

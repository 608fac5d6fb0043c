/**
 * What a process of dispatch remembers about owners, to decide how it leaves a task.
 *
 * A task in a wake is cheapest for an endpoint without an owner. If there is an owner, the task must be stored, and it is cheaper
 * if dispatch stores it. Both ways are right in every case, so the memory may be wrong. All times are milliseconds since 1970.
 * @module
 */
import { recent } from '../../hub/bounded-map.ts';

/** What dispatch remembers about the owners of endpoints. */
export interface OwnerMemory {
  /** Returns true if the endpoint probably has an owner, which finds tasks in the table. */
  readonly isLikely: (endpoint: string, now: number) => boolean;
  /** Notes that a wake with a task was sent. */
  readonly woken: (endpoint: string, now: number) => void;
  /** Notes that the endpoint had an owner. */
  readonly seen: (endpoint: string, now: number) => void;
}

/** An endpoint that was woken so recently is asked for its owner, in milliseconds. A lone delivery takes about as long. */
const WOKEN_MS = 50;

/** An owner is expected for so long after it was seen, in milliseconds. */
const SEEN_MS = 1_000;

/** Endpoints that are remembered at most. */
const MAX_REMEMBERED = 10_000;

/** Returns an empty memory. */
export function ownerMemory(): OwnerMemory {
  /** The time until which each endpoint probably has an owner. */
  const likelyUntil = recent<number>(MAX_REMEMBERED);
  return {
    isLikely: (endpoint, now) => (likelyUntil.get(endpoint) ?? 0) > now,
    woken: (endpoint, now) => likelyUntil.set(endpoint, now + WOKEN_MS),
    seen: (endpoint, now) => likelyUntil.set(endpoint, now + SEEN_MS),
  };
}

/**
 * Idempotent producers (PROTOCOL.md §4.3): what a channel stores of them, and whether a publish is the next one.
 *
 * The state of all producers is one flat map on the item of the channel. So one write can check the state, change it and claim a
 * slot of the log. For each producer the map has the epoch, the last sequence number, the time of the last publish, and the slots
 * of the last few publishes. With these slots a retry finds its own slot, and completes a publish that a crash interrupted.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { PRODUCER_EPOCH, PRODUCER_EXPECTED_SEQ, PRODUCER_RECEIVED_SEQ } from '../../../protocol/headers.ts';
import { PRODUCER_WINDOW } from '../../../protocol/limits.ts';

/** A producer and the number of its publish. All three values come from the caller. */
export interface Producer {
  /** Id of the producer, the same for all its publishes. */
  readonly id: string;
  /** Epoch of the producer: a new one begins when it restarts. */
  readonly epoch: number;
  /** Number of the publish in its epoch, from 0 on. */
  readonly seq: number;
}

/** The flat map of all producers of a channel. */
export type ProducerMarks = Readonly<Record<string, number>>;

/** Returns the key of the epoch of a producer in the map. Because of the prefix, an id such as `__proto__` is a harmless key. */
export const epochMark = (id: string): string => `e:${id}`;
/** Returns the key of its last sequence number. */
export const seqMark = (id: string): string => `q:${id}`;
/** Returns the key of the time of its last publish. */
export const timeMark = (id: string): string => `t:${id}`;
/** Returns the key of the slot of one of its last publishes. */
export const slotMark = (id: string, seq: number): string => `s${seq % PRODUCER_WINDOW}:${id}`;

/** Highest number of keys of one producer. */
export const MARKS_PER_PRODUCER = 3 + PRODUCER_WINDOW;

/** Returns the id of the entry of a publish. By this id a retry recognizes its own entry in the slot. */
export const entryIdOf = ({ id, epoch, seq }: Producer): string => `producer:${epoch}:${seq}:${id}`;

/** A publish compared with the stored state of its producer. */
export type ProducerState =
  /** The publish is the next one of its producer. */
  | { readonly kind: 'next' }
  /** The publish has claimed `slot` before. Undefined if more than PRODUCER_WINDOW publishes came after it. */
  | { readonly kind: 'repeat'; readonly lastSeq: number; readonly slot: number | undefined };

/**
 * Compares a publish with the stored state of its producer.
 * @throws Refusal stale_producer, producer_gap, bad_request
 */
export function producerStateOf({ id, epoch, seq }: Producer, marks: ProducerMarks): ProducerState {
  const lastEpoch = marks[epochMark(id)];
  if (lastEpoch !== undefined && epoch < lastEpoch) {
    const headers = { [PRODUCER_EPOCH]: String(lastEpoch) };
    throw new Refusal('stale_producer', `the producer is at epoch ${lastEpoch}, got ${epoch}`, headers);
  }
  const known = lastEpoch === epoch;
  if (!known && lastEpoch !== undefined && seq !== 0) {
    throw new Refusal('bad_request', `a new epoch begins with Producer-Seq 0, got ${seq}`);
  }
  const lastSeq = known ? (marks[seqMark(id)] ?? -1) : -1;
  if (seq > lastSeq + 1) {
    const headers = { [PRODUCER_EXPECTED_SEQ]: String(lastSeq + 1), [PRODUCER_RECEIVED_SEQ]: String(seq) };
    throw new Refusal('producer_gap', `the next Producer-Seq is ${lastSeq + 1}, got ${seq}`, headers);
  }
  return repeatOf({ id, epoch, seq }, marks) ?? { kind: 'next' };
}

/** Returns the earlier attempt at a publish, if there was one. */
export function repeatOf(
  { id, epoch, seq }: Producer,
  marks: ProducerMarks,
): (ProducerState & { kind: 'repeat' }) | undefined {
  const lastSeq = marks[epochMark(id)] === epoch ? (marks[seqMark(id)] ?? -1) : -1;
  if (seq > lastSeq) return undefined;
  const slot = seq > lastSeq - PRODUCER_WINDOW ? marks[slotMark(id, seq)] : undefined;
  return { kind: 'repeat', lastSeq, slot };
}

/** A producer that may be removed. */
export interface SilentProducer {
  /** The Producer-Id. */
  readonly id: string;
  /** Time of its last publish, in milliseconds since 1970. */
  readonly since: number;
  /** Its keys in the map. */
  readonly marks: readonly string[];
}

/** Returns the producer whose last publish is the oldest; undefined if there is no producer. */
export function longestSilent(marks: ProducerMarks): SilentProducer | undefined {
  const times = Object.entries(marks).filter(([mark]) => mark.startsWith('t:'));
  const [oldest] = times.sort(([, a], [, b]) => a - b);
  if (!oldest) return undefined;
  const [mark, since] = oldest;
  const id = mark.slice(2);
  return { id, since, marks: Object.keys(marks).filter((one) => one.slice(one.indexOf(':') + 1) === id) };
}

/**
 * Idempotent producers (PROTOCOL.md §4.3): what a channel remembers of them, and what that means for a publish.
 *
 * The state lies flat in one map on the channel's item, so that a single write can check it, move it on and claim the
 * slot. Per producer: its epoch, its last sequence number, when that was, and the slots of its last few publishes, so
 * that a retry can find its own slot and complete what a crash left undone.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { PRODUCER_EPOCH, PRODUCER_EXPECTED_SEQ, PRODUCER_RECEIVED_SEQ } from '../../../protocol/headers.ts';
import { PRODUCER_WINDOW } from '../../../protocol/limits.ts';

/** Who publishes, and the number of this publish; all three from the caller. */
export interface Producer {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
}

export type ProducerMarks = Readonly<Record<string, number>>;

/** The names of a producer's marks. The prefixes keep an id such as `__proto__` from being anything but a name. */
export const epochMark = (id: string): string => `e:${id}`;
export const seqMark = (id: string): string => `q:${id}`;
export const timeMark = (id: string): string => `t:${id}`;
export const slotMark = (id: string, seq: number): string => `s${seq % PRODUCER_WINDOW}:${id}`;

/** Marks of one producer at most. */
export const MARKS_PER_PRODUCER = 3 + PRODUCER_WINDOW;

/** Tells the entry of this publish from any other that wants its slot; the same for every retry. */
export const entryIdOf = ({ id, epoch, seq }: Producer): string => `producer:${epoch}:${seq}:${id}`;

export type ProducerState =
  /** Nothing of the producer speaks against the publish. */
  | { readonly kind: 'next' }
  /** It was claimed before; `slot` is where, if that is recent enough to be remembered. */
  | { readonly kind: 'repeat'; readonly lastSeq: number; readonly slot: number | undefined };

/**
 * Where a publish stands with its producer's state.
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

/** The earlier attempt at a publish, if there was one. */
export function repeatOf(
  { id, epoch, seq }: Producer,
  marks: ProducerMarks,
): (ProducerState & { kind: 'repeat' }) | undefined {
  const lastSeq = marks[epochMark(id)] === epoch ? (marks[seqMark(id)] ?? -1) : -1;
  if (seq > lastSeq) return undefined;
  const slot = seq > lastSeq - PRODUCER_WINDOW ? marks[slotMark(id, seq)] : undefined;
  return { kind: 'repeat', lastSeq, slot };
}

export interface SilentProducer {
  readonly id: string;
  /** When it last published, in milliseconds. */
  readonly since: number;
  readonly marks: readonly string[];
}

/** The producer that has published least recently. */
export function longestSilent(marks: ProducerMarks): SilentProducer | undefined {
  const times = Object.entries(marks).filter(([mark]) => mark.startsWith('t:'));
  const [oldest] = times.sort(([, a], [, b]) => a - b);
  if (!oldest) return undefined;
  const [mark, since] = oldest;
  const id = mark.slice(2);
  return { id, since, marks: Object.keys(marks).filter((one) => one.slice(one.indexOf(':') + 1) === id) };
}

/**
 * The one write of a claim, as DynamoDB expressions: all conditions, and all changes.
 * @module
 */
import { MAX_PRODUCERS } from '../../../protocol/limits.ts';
import { type Channel, mediaType } from '../../hub/log/channel.ts';
import type { Claim } from '../../hub/log/log-ports.ts';
import {
  epochMark,
  MARKS_PER_PRODUCER,
  type Producer,
  seqMark,
  slotMark,
  timeMark,
} from '../../hub/log/producer.ts';
import type { Update } from './update-item.ts';

/** The condition that the channel has not expired at :now. */
const ALIVE = '(attribute_not_exists(aliveUntil) OR aliveUntil > :now)';

/** Returns the update of a claim. In implicit mode the same write creates the channel if there is none. */
export function reservation(claim: Claim): Omit<Update, 'key'> {
  const checks = ['closed = :open', 'claimedAt > :silentSince', ALIVE];
  const sets = ['claimedAt = :now'];
  const names: Record<string, string> = {};
  const values: Record<string, unknown> = {
    ':slots': claim.slots,
    ':now': claim.now,
    ':silentSince': claim.silentSince,
    ':open': false,
  };
  if (claim.contentType !== undefined) {
    checks.push('mediaType = :mediaType');
    values[':mediaType'] = mediaType(claim.contentType);
    checks.push(claim.streamKey === undefined ? 'attribute_not_exists(streamKey)' : 'streamKey = :streamKey');
    if (claim.streamKey !== undefined) values[':streamKey'] = claim.streamKey;
  }
  if (claim.seq !== undefined) addSeq(claim, claim.seq, { checks, sets, values });
  if (claim.close) {
    sets.push('closed = :closed', 'closedBy = :closedBy');
    Object.assign(values, { ':closed': true, ':closedBy': claim.id });
  }
  if (claim.producer) addProducer(claim, claim.producer, { checks, sets, names, values });
  const granted = checks.join(' AND ');
  // A producer or a Stream-Seq refers to the state of a channel, so such a publish does not create its channel.
  const created = claim.producer || claim.seq !== undefined ? undefined : claim.fresh;
  if (created) addFresh(created, claim.close, { sets, values });
  else sets.push('#next = #next + :slots');
  return {
    change: `SET ${sets.join(', ')}`,
    condition: created
      ? `attribute_not_exists(channel) OR (${granted})`
      : `attribute_exists(channel) AND ${granted}`,
    names,
    values,
  };
}

interface Expressions {
  readonly checks: string[];
  readonly sets: string[];
  readonly names: Record<string, string>;
  readonly values: Record<string, unknown>;
}

/** Adds the attributes of a new channel. On an existing channel they change only `next`. */
function addFresh(
  fresh: Channel,
  close: boolean,
  { sets, values }: Pick<Expressions, 'sets' | 'values'>,
): void {
  const { streamId, contentType, streamKey, origin, floor, floorAt, keptUntil, producers } = fresh;
  const key = streamKey === undefined ? {} : { streamKey };
  const type = { contentType, mediaType: mediaType(contentType), ...key };
  const born = { streamId, ...type, origin, floor, floorAt, keptUntil, producers };
  for (const [name, value] of Object.entries(close ? born : { ...born, closed: false })) {
    sets.push(`${name} = if_not_exists(${name}, :fresh_${name})`);
    values[`:fresh_${name}`] = value;
  }
  sets.push('#next = if_not_exists(#next, :fresh_origin) + :slots');
}

/** The Stream-Seq must be above the last one, or be that of the sealed slot which this claim replaces. */
function addSeq(
  { replaces }: Claim,
  seq: string,
  { checks, sets, values }: Omit<Expressions, 'names'>,
): void {
  values[':seq'] = seq;
  // The slot that this write claims: `next` as it was before.
  sets.push('lastSeq = :seq', 'lastSeqSlot = #next');
  if (replaces === undefined) {
    checks.push('(attribute_not_exists(lastSeq) OR lastSeq < :seq)');
  } else {
    checks.push('lastSeq = :seq AND lastSeqSlot = :replaces');
    values[':replaces'] = replaces;
  }
}

/** The publish must be the next one of its producer (lambda/hub/log/producer.ts), or replace its own sealed slot. */
function addProducer(
  { replaces, slots }: Claim,
  { id, epoch, seq }: Producer,
  { checks, sets, names, values }: Expressions,
): void {
  Object.assign(names, { '#epoch': epochMark(id) });
  values[':epoch'] = epoch;
  if (slots === 1) {
    // The slot that this write claims: `next` as it was before.
    names['#slot'] = slotMark(id, seq);
    sets.push('producers.#slot = #next');
  }
  if (replaces !== undefined) {
    checks.push('producers.#epoch = :epoch AND producers.#slot = :replaces');
    values[':replaces'] = replaces;
    return;
  }
  Object.assign(names, { '#seq': seqMark(id), '#time': timeMark(id) });
  sets.push('producers.#epoch = :epoch', 'producers.#seq = :producerSeq', 'producers.#time = :now');
  values[':producerSeq'] = seq;
  if (seq === 0) {
    checks.push('(attribute_not_exists(producers.#epoch) OR producers.#epoch < :epoch)');
    checks.push('(attribute_exists(producers.#epoch) OR size(producers) < :mostMarks)');
    values[':mostMarks'] = MAX_PRODUCERS * MARKS_PER_PRODUCER;
  } else {
    checks.push('producers.#epoch = :epoch AND producers.#seq = :previous');
    values[':previous'] = seq - 1;
  }
}

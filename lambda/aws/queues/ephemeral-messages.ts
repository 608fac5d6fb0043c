/**
 * Ephemeral messages in the push queue (PROTOCOL.md §4.7): for all that listen to a channel, or for one shard of a pattern.
 * @module
 */
import { isChannelName, isPattern } from '../../../protocol/channel-name.ts';
import { type Fields, fieldsOf } from '../../../protocol/fields.ts';
import type { Ephemeral, EphemeralPart, EphemeralShard } from '../../hub/ephemeral/post-ephemeral.ts';
import type { OutgoingEphemeral } from '../../hub/ephemeral/publish-ephemeral.ts';
import { asciiJson } from './hint-messages.ts';

/**
 * Returns a body. It is below the 256 KB of SQS: in ASCII a byte of a message becomes six at most.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
 */
export const ephemeralBody = (
  { channel, id, at, messages }: OutgoingEphemeral,
  shard?: EphemeralShard,
): string => asciiJson({ ephemeral: channel, id, at, messages, ...shard });

/** Parses a body. @throws Error for one that the hub did not write */
export function ephemeralIn(fields: Fields): Ephemeral {
  const { ephemeral: channel, id, at, messages, pattern } = fields;
  if (typeof channel !== 'string' || !isChannelName(channel) || typeof id !== 'string')
    throw new Error('the ephemeral message names no channel, or has no id');
  if (typeof at !== 'number' || !Array.isArray(messages))
    throw new Error('the ephemeral message has no time, or no messages');
  const texts = messages.filter((message) => typeof message === 'string');
  const part = { id, at, messages: texts, receives: 1 };
  return { channel, parts: [part], shard: pattern === undefined ? undefined : shardIn(fields) };
}

function shardIn({ pattern, shard, version }: Fields): EphemeralShard {
  const isShard = typeof pattern === 'string' && isPattern(pattern) && typeof shard === 'number';
  if (isShard && typeof version === 'string') return { pattern, shard, version };
  throw new Error('the ephemeral message names no shard');
}

/** Returns the messages with the number of times that SQS has delivered them. */
export function received(
  { parts }: Ephemeral,
  attributes: Fields,
): { readonly parts: readonly EphemeralPart[] } {
  const { ApproximateReceiveCount: count } = fieldsOf(attributes);
  const receives = Number(count);
  return { parts: parts.map((part) => ({ ...part, receives })) };
}

/** Messages with the same key are posted together: those of one channel, for the same readers. */
export const ephemeralKeyOf = ({ channel, shard }: Ephemeral): string =>
  shard ? `${channel} ${shard.pattern} ${shard.shard} ${shard.version}` : channel;

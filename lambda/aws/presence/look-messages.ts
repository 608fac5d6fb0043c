/**
 * The messages of the presence queue: each makes a process settle one channel. Only this module writes and reads them.
 * @module
 */
import { isChannelName } from '../../../protocol/channel-name.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import type { Looks } from '../../hub/presence/presence-ports.ts';
import { groupOf, sendingTo } from '../queues/push-queue.ts';
import type { QueueFormat } from '../queues/queue-handler.ts';

/** Returns the sender of looks. */
export function looksBySqs(queueUrl: string): Looks {
  const send = sendingTo(queueUrl);
  return { send: async (channel, delayMs) => await send({ look: channel }, delayMs, groupOf(channel)) };
}

/** A look at a channel. */
export interface Look {
  readonly channel: string;
}

/** Parses, merges and logs the messages of the presence queue. */
export const lookQueue: QueueFormat<Look> = {
  parse(body) {
    const { look } = fieldsOf(JSON.parse(body));
    if (typeof look === 'string' && isChannelName(look)) return { channel: look };
    throw new Error('the message names no channel');
  },
  keyOf: ({ channel }) => channel,
  about: ({ channel }) => ({ channel }),
  merge: (one) => one,
};

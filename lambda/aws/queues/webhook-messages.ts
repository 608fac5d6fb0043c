/**
 * What travels through the queues of webhooks. To `dispatch`: hints that a channel has grown, and what `deliver` has said
 * for it, since that dials strangers and may do little else. To `deliver`: wakes, and dead letters that are tried again.
 * Written and read here, and nowhere else.
 * @module
 */
import { isChannelName } from '../../../protocol/channel-name.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { formatOffset } from '../../../protocol/offset.ts';
import type { Delivering, Dispatching } from '../../webhook/webhook-ports.ts';
import { sendingTo } from './push-queue.ts';
import type { Carried } from './queue-handler.ts';

/** Has an endpoint served. */
export function wakesBySqs(queueUrl: string): (endpoint: string, delayMs?: number) => Promise<void> {
  const send = sendingTo(queueUrl);
  return async (endpoint, delayMs = 0) => await send({ endpoint }, delayMs, endpoint);
}

/** What dispatch asks of itself. */
export function looksBySqs(queueUrl: string): Dispatching['lookAgain'] {
  const send = sendingTo(queueUrl);
  return async (channel, delayMs) => await send({ look: channel }, delayMs);
}

/** What deliver has dispatch do. */
export function tasksOfDeliver(queueUrl: string): {
  readonly notify: Delivering['notify'];
  readonly renew: (endpoint: string, delayMs: number) => Promise<void>;
} {
  const send = sendingTo(queueUrl);
  return {
    notify: async (notice) => await send({ notice }),
    renew: async (endpoint, delayMs) => await send({ wake: endpoint }, delayMs),
  };
}

/** Dead letters, with what people look for beside what a redrive needs. */
export function deadLettersBySqs(queueUrl: string): Delivering['deadLetter'] {
  const send = sendingTo(queueUrl);
  return async (endpoint, { id, channel, position, attempts }) =>
    await send({
      endpoint,
      delivery: id,
      channel,
      offset: formatOffset(position),
      last: attempts.at(-1),
    });
}

export type DispatchWork =
  | { readonly kind: 'channel'; readonly channel: string }
  | { readonly kind: 'wake'; readonly endpoint: string }
  | { readonly kind: 'notice'; readonly notice: Readonly<Record<string, unknown>> };

/** @throws Error for a body that nobody of the hub wrote */
export function parseDispatchWork(body: string): DispatchWork {
  const { channel, look, wake, notice } = fieldsOf(JSON.parse(body));
  const name = channel ?? look;
  if (typeof name === 'string' && isChannelName(name)) return { kind: 'channel', channel: name };
  if (typeof wake === 'string') return { kind: 'wake', endpoint: wake };
  const said = fieldsOf(notice);
  if (typeof said.type !== 'string') throw new Error('the message is no hint, no wake and no notice');
  return { kind: 'notice', notice: said };
}

/** The queue of dispatch. However many hints of a channel there are: it is looked at once. */
export const dispatchQueue: Carried<DispatchWork> = {
  parse: parseDispatchWork,
  keyOf(work) {
    if (work.kind === 'channel') return work.channel;
    return work.kind === 'wake' ? `wake ${work.endpoint}` : JSON.stringify(work.notice);
  },
  about(work) {
    if (work.kind !== 'notice') return work;
    // Not all of it: the URL of an endpoint may hold a secret.
    const { type, endpoint, delivery } = work.notice;
    return { notice: type, endpoint, delivery };
  },
  merge: (one) => one,
};

export interface DeliverWork {
  readonly endpoint: string;
  /** A dead letter, to be tried again. */
  readonly deadLetter: string | undefined;
}

/** @throws Error for a body that nobody of the hub wrote */
export function parseDeliverWork(body: string): DeliverWork {
  const { endpoint, delivery } = fieldsOf(JSON.parse(body));
  if (typeof endpoint !== 'string' || endpoint === '') throw new Error('the message names no endpoint');
  return { endpoint, deadLetter: typeof delivery === 'string' ? delivery : undefined };
}

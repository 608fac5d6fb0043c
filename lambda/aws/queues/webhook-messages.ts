/**
 * The messages of the webhook queues. To `dispatch`: hints that a channel has grown, and tasks of `deliver`, which calls
 * foreign URLs and therefore has few permissions. To `deliver`: wakes, and dead letters that are tried again. The messages
 * are written and read only here.
 * @module
 */
import { isChannelName } from '../../../protocol/channel-name.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { formatOffset } from '../../../protocol/offset.ts';
import type { Delivering, Dispatching } from '../../webhook/webhook-ports.ts';
import { sendingTo } from './push-queue.ts';
import type { QueueFormat } from './queue-handler.ts';

/**
 * Returns the function that sends a wake, which arrives after `delayMs` milliseconds (at most 15 minutes, SQS's limit).
 */
export function wakesBySqs(queueUrl: string): (endpoint: string, delayMs?: number) => Promise<void> {
  const send = sendingTo(queueUrl);
  return async (endpoint, delayMs = 0) => await send({ endpoint }, delayMs, endpoint);
}

/** Returns the function that sends dispatch back to a channel. */
export function dispatchAgainBySqs(queueUrl: string): Dispatching['lookAgain'] {
  const send = sendingTo(queueUrl);
  return async (channel, delayMs) => await send({ look: channel }, delayMs);
}

/** Returns the functions with which deliver leaves tasks for dispatch: to publish a notice, and to send a new wake. */
export function dispatchTasksBySqs(queueUrl: string): {
  readonly notify: Delivering['notify'];
  readonly renew: (endpoint: string, delayMs: number) => Promise<void>;
} {
  const send = sendingTo(queueUrl);
  return {
    notify: async (notice) => await send({ notice }),
    renew: async (endpoint, delayMs) => await send({ wake: endpoint }, delayMs),
  };
}

/** Returns the function that sends a dead letter. It has fields for people in addition to those that a redrive needs. */
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

/** A message to dispatch. */
export type DispatchWork =
  | { readonly kind: 'channel'; readonly channel: string }
  | { readonly kind: 'wake'; readonly endpoint: string }
  | { readonly kind: 'notice'; readonly notice: Readonly<Record<string, unknown>> };

/** Parses a message to dispatch. @throws Error for a body that the hub did not write */
export function parseDispatchWork(body: string): DispatchWork {
  const { channel, look, wake, notice } = fieldsOf(JSON.parse(body));
  const name = channel ?? look;
  if (typeof name === 'string' && isChannelName(name)) return { kind: 'channel', channel: name };
  if (typeof wake === 'string') return { kind: 'wake', endpoint: wake };
  const fields = fieldsOf(notice);
  if (typeof fields.type !== 'string')
    throw new Error('the message is neither a hint nor a wake nor a notice');
  return { kind: 'notice', notice: fields };
}

/** The queue of dispatch. All hints of a channel in one batch are done together. */
export const dispatchQueue: QueueFormat<DispatchWork> = {
  parse: parseDispatchWork,
  keyOf(work) {
    if (work.kind === 'channel') return work.channel;
    return work.kind === 'wake' ? `wake ${work.endpoint}` : JSON.stringify(work.notice);
  },
  about(work) {
    if (work.kind !== 'notice') return work;
    // Only these fields are logged. Others may be added whose values are secret.
    const { type, endpoint, delivery } = work.notice;
    return { notice: type, endpoint, delivery };
  },
  merge: (one) => one,
};

/** A message to deliver. */
export interface WakeRequest {
  /** The id of the endpoint to serve. */
  readonly endpoint: string;
  /** The id of the delivery to try again, if the message is a dead letter; undefined for a wake. */
  readonly deadLetter: string | undefined;
}

/** Parses a message to deliver. @throws Error for a body that the hub did not write */
export function parseDeliverWork(body: string): WakeRequest {
  const { endpoint, delivery } = fieldsOf(JSON.parse(body));
  if (typeof endpoint !== 'string' || endpoint === '') throw new Error('the message names no endpoint');
  return { endpoint, deadLetter: typeof delivery === 'string' ? delivery : undefined };
}

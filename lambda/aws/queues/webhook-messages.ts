/**
 * The messages of the webhook queues. To `dispatch`: hints that a channel has grown, and tasks of `deliver`, which calls
 * foreign URLs and therefore has few permissions. To `deliver`: wakes, and dead letters that are tried again. The messages
 * are written and read only here.
 * @module
 */
import { isChannelName } from '../../../protocol/channel-name.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { formatOffset } from '../../../protocol/offset.ts';
import type { HintedEntry } from '../../hub/log/entry.ts';
import type { RangeTask } from '../../webhook/delivery/delivery-task.ts';
import { bothWritten, type Grown } from '../../webhook/delivery/dispatch-hint.ts';
import type { Delivering, Dispatching } from '../../webhook/webhook-ports.ts';
import { taskItem, taskOf } from '../dynamodb/deliveries-table.ts';
import { hintedEntryIn } from './hint-messages.ts';
import { sendingTo, sendingTogetherTo } from './push-queue.ts';
import type { QueueFormat } from './queue-handler.ts';

/**
 * Returns the function that sends a wake with its tasks. `id` is the id of the wake whose place it takes; undefined for a wake of
 * its own.
 */
export function wakesBySqs(
  queueUrl: string,
): (endpoint: string, tasks?: readonly RangeTask[], id?: string) => Promise<void> {
  const send = sendingTogetherTo(queueUrl);
  return async (endpoint, tasks = [], id) => {
    const carried = tasks.length > 0 ? { tasks: tasks.map(taskItem) } : {};
    await send({ endpoint, ...carried, ...(id === undefined ? {} : { id }) }, endpoint);
  };
}

/** Returns the function that sends dispatch back to a channel. */
export function dispatchAgainBySqs(queueUrl: string): Dispatching['lookAgain'] {
  const send = sendingTo(queueUrl);
  return async (channel, delayMs) => await send({ look: channel }, delayMs);
}

/**
 * Sends a new wake in the place of another one. It arrives after `delayMs` milliseconds, or after 15 minutes, SQS's limit. `id` is
 * the id of the other wake if the stored state counts on it.
 */
export type RenewWake = (endpoint: string, delayMs: number, id: string | undefined) => Promise<void>;

/** Returns the functions with which deliver leaves tasks for dispatch: to publish a notice, and to send a new wake. */
export function dispatchTasksBySqs(queueUrl: string): {
  readonly notify: Delivering['notify'];
  readonly renew: RenewWake;
} {
  const send = sendingTo(queueUrl);
  return {
    notify: async (notice) => await send({ notice }),
    renew: async (endpoint, delayMs, id) =>
      await send({ wake: endpoint, ...(id === undefined ? {} : { id }) }, delayMs),
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
  | ({ readonly kind: 'channel' } & Grown)
  | { readonly kind: 'wake'; readonly endpoint: string; readonly id: string | undefined }
  | { readonly kind: 'notice'; readonly notice: Readonly<Record<string, unknown>> };

/** Parses a message to dispatch. @throws Error for a body that the hub did not write */
export function parseDispatchWork(body: string): DispatchWork {
  const message = fieldsOf(JSON.parse(body));
  const { channel, look, wake, id, notice } = message;
  const name = channel ?? look;
  if (typeof name === 'string' && isChannelName(name))
    return { kind: 'channel', channel: name, written: writtenOf(hintedEntryIn(message)) };
  if (typeof wake === 'string') return { kind: 'wake', endpoint: wake, id: idIn(id) };
  const fields = fieldsOf(notice);
  if (typeof fields.type !== 'string')
    throw new Error('the message is neither a hint nor a wake nor a notice');
  return { kind: 'notice', notice: fields };
}

const writtenOf = (entry: HintedEntry | undefined): Grown['written'] =>
  entry && { streamId: entry.streamId, slots: [entry.slot] };

const idIn = (id: unknown): string | undefined => (typeof id === 'string' ? id : undefined);

/** The queue of dispatch. All hints of a channel in one batch are done together. */
export const dispatchQueue: QueueFormat<DispatchWork> = {
  parse: parseDispatchWork,
  keyOf(work) {
    if (work.kind === 'channel') return work.channel;
    return work.kind === 'wake' ? `wake ${work.endpoint} ${work.id}` : JSON.stringify(work.notice);
  },
  about(work) {
    if (work.kind === 'channel') return { kind: work.kind, channel: work.channel };
    if (work.kind === 'wake') return { kind: work.kind, endpoint: work.endpoint };
    // Only these fields are logged. Others may be added whose values are secret.
    const { type, endpoint, delivery } = work.notice;
    return { notice: type, endpoint, delivery };
  },
  merge(one, other) {
    if (one.kind !== 'channel' || other.kind !== 'channel') return one;
    return { ...one, written: bothWritten(one.written, other.written) };
  },
};

/** A message to deliver. */
export interface WakeRequest {
  /** The id of the endpoint to serve. */
  readonly endpoint: string;
  /** The id of the delivery to try again, if the message is a dead letter; undefined for a wake. */
  readonly deadLetter: string | undefined;
  /** The tasks of a wake. */
  readonly tasks: readonly RangeTask[];
  /** The id of the wake whose place this one takes; undefined for a wake of its own. */
  readonly id: string | undefined;
}

/** Parses a message to deliver. @throws Error for a body that the hub did not write */
export function parseDeliverWork(body: string): WakeRequest {
  const { endpoint, delivery, tasks = [], id } = fieldsOf(JSON.parse(body));
  if (typeof endpoint !== 'string' || endpoint === '') throw new Error('the message names no endpoint');
  if (!Array.isArray(tasks)) throw new Error('the message has no list of tasks');
  return {
    endpoint,
    deadLetter: typeof delivery === 'string' ? delivery : undefined,
    tasks: tasks.map(rangeOf),
    id: idIn(id),
  };
}

/** Only ranges come in wakes. Every other task is stored by its sender. */
function rangeOf(item: unknown): RangeTask {
  const task = taskOf(fieldsOf(item));
  if (task.kind !== 'range') throw new Error(`a wake brings a task of the kind ${task.kind}`);
  return task;
}

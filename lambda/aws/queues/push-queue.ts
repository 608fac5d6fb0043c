/**
 * The messages of the push queue: hints, delayed hints (for the topic), jobs for one shard of a channel's subscribers, ephemeral
 * messages (ephemeral-messages.ts), and requests to disconnect sockets. Only these modules write and read them.
 * @module
 */

import { isChannelName, isPattern } from '../../../protocol/channel-name.ts';
import { Refusal } from '../../../protocol/errors.ts';
import { type Fields, fieldsOf } from '../../../protocol/fields.ts';
import { formatOffset, isBefore, parseOffset } from '../../../protocol/offset.ts';
import type { Ephemeral } from '../../hub/ephemeral/post-ephemeral.ts';
import type { DelayedHint, DelayedHints } from '../../hub/push/delayed-hint.ts';
import type { Hint } from '../../hub/push/on-hint.ts';
import type { DisconnectQueue, DisconnectRequest, Job, Jobs } from '../../hub/push/push-ports.ts';
import { call } from '../aws-client.ts';
import { type QueueClient, queueCalls } from '../calls/queue-calls.ts';
import { ephemeralIn, ephemeralKeyOf, received } from './ephemeral-messages.ts';
import { asciiJson, hintedEntryIn } from './hint-messages.ts';
import type { QueueFormat } from './queue-handler.ts';

/**
 * The most messages of one call.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
 */
export const BATCH = 10;
const MAX_DELAY_SECONDS = 900;

const BUSY = 'the queue is busy; retry';

/** The most characters of a group id. */
const MAX_GROUP_ID_LENGTH = 128;

/**
 * Returns the message group of a channel. Groups keep a busy channel from delaying the others. Channels whose long names have
 * the same beginning share a group.
 */
export const groupOf = (channel: string): string => channel.slice(0, MAX_GROUP_ID_LENGTH);

/** A message in the form of SQS. */
interface Outgoing {
  readonly MessageBody: string;
  readonly MessageGroupId: string;
  readonly DelaySeconds?: number;
}

/** Sends at most ten messages. @throws Refusal unavailable if the queue did not accept all of them */
export async function sendBatch(
  client: QueueClient,
  queueUrl: string,
  messages: readonly Outgoing[],
): Promise<void> {
  const Entries = messages.map((message, at) => ({ Id: String(at), ...message }));
  const batch = { QueueUrl: queueUrl, Entries };
  const { Failed = [] } = await call(() => client.sendMessageBatch(batch), BUSY);
  if (Failed.length > 0) throw new Refusal('unavailable', 'the queue did not accept every message; retry');
}

/** Returns the sender of jobs. */
export function jobsBySqs(queueUrl: string): Jobs {
  const client = queueCalls();
  return {
    async send(shards, delayMs) {
      const DelaySeconds = secondsOf(delayMs);
      const messages = shards.map((shard) => ({
        MessageBody: asciiJson(shard),
        MessageGroupId: groupOf(shard.channel),
        DelaySeconds,
      }));
      for (let first = 0; first < messages.length; first += BATCH)
        await sendBatch(client, queueUrl, messages.slice(first, first + BATCH));
    },
  };
}

const secondsOf = (delayMs: number): number =>
  Math.min(MAX_DELAY_SECONDS, Math.max(0, Math.ceil(delayMs / 1_000)));

/**
 * Returns a function that sends a body.
 * `delayMs` delays the delivery, in milliseconds, at most 15 minutes. Messages of one `group` do not delay other groups.
 * It throws Refusal unavailable if the queue is busy.
 */
export function sendingTo(queueUrl: string) {
  const client = queueCalls();
  return async (body: object, delayMs = 0, group?: string): Promise<void> => {
    const send = {
      QueueUrl: queueUrl,
      MessageBody: asciiJson(body),
      DelaySeconds: secondsOf(delayMs),
      ...(group === undefined ? {} : { MessageGroupId: group }),
    };
    await call(() => client.sendMessage(send), BUSY);
  };
}

/**
 * Returns a function that sends a body in a message group. Messages that are sent at the same moment share a call, which SQS bills as
 * one. If SQS refuses one of them, all of the call fail with Refusal unavailable, and may come twice when they are sent again.
 */
export function sendingTogetherTo(queueUrl: string): (body: object, group: string) => Promise<void> {
  const client = queueCalls();
  let waiting: { readonly message: Outgoing; readonly sent: (result: Promise<void>) => void }[] = [];
  const flush = (): void => {
    const all = waiting;
    waiting = [];
    for (let first = 0; first < all.length; first += BATCH) {
      const some = all.slice(first, first + BATCH);
      const messages = some.map(({ message }) => message);
      const result = sendBatch(client, queueUrl, messages);
      for (const { sent } of some) sent(result);
    }
  };
  return (body, group) =>
    new Promise((sent) => {
      if (waiting.length === 0) setImmediate(flush);
      waiting.push({ message: { MessageBody: asciiJson(body), MessageGroupId: group }, sent });
    });
}

/** The message group of all delayed hints. They must not delay the hints of their channels. */
const DELAYED_HINTS = '@relays';

/** Returns a delayed hint as a message of the push queue. @param delayMs delay of its delivery, in milliseconds */
export const delayedHintMessage = (
  { channel, offset, tries }: { readonly channel: string; readonly offset: string; readonly tries: number },
  delayMs: number,
): Outgoing => ({
  MessageBody: asciiJson({ relay: channel, offset, tries }),
  MessageGroupId: DELAYED_HINTS,
  DelaySeconds: secondsOf(delayMs),
});

/** Returns the sender of delayed hints. */
export function delayedHintsBySqs(queueUrl: string): DelayedHints {
  const client = queueCalls();
  return {
    send: async ({ offset, ...rest }, delayMs) =>
      await sendBatch(client, queueUrl, [
        delayedHintMessage({ ...rest, offset: formatOffset(offset) }, delayMs),
      ]),
  };
}

/** The message group of all disconnect requests. Many of them at once must not delay hints and jobs. */
const DISCONNECTS = '@goodbyes';

/**
 * Returns the sender of disconnect requests. A request that comes too early is sent again with a delay, and not hidden in the
 * queue: a queue may have 120,000 messages in flight, and each socket with a token that ends would be one of them for its life.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
 */
export function disconnectsBySqs(queueUrl: string): DisconnectQueue {
  const send = sendingTo(queueUrl);
  return {
    send: async ({ kind, ...rest }, delayMs) => await send({ goodbye: kind, ...rest }, delayMs, DISCONNECTS),
  };
}

/** A message of the push queue. */
export type PushWork =
  | ({ readonly kind: 'hint' } & Hint)
  | ({ readonly kind: 'delayed-hint' } & DelayedHint)
  | ({ readonly kind: 'job' } & Job)
  | ({ readonly kind: 'ephemeral' } & Ephemeral)
  | DisconnectRequest;

/** Parses the body of a message. @throws Error for a body that the hub did not write */
export function parsePushWork(body: string): PushWork {
  const fields = fieldsOf(JSON.parse(body));
  if (fields.goodbye !== undefined) return disconnectOf(fields);
  if (fields.relay !== undefined) return delayedHintOf(fields);
  if (fields.ephemeral !== undefined) return { kind: 'ephemeral', ...ephemeralIn(fields) };
  const { channel, offset, closed, pattern, shard, isGuard } = fields;
  if (typeof channel !== 'string' || !isChannelName(channel)) throw new Error('the message names no channel');
  const position = typeof offset === 'string' ? parseOffset(offset) : undefined;
  if (position) {
    const entry = hintedEntryIn(fields);
    const isLast = entry?.slot === position.entry - 1 && position.index === 0;
    const hint = { kind: 'hint', channel, offset: position, isClosing: closed === true } as const;
    return isLast ? { ...hint, entry } : hint;
  }
  const isJob = typeof pattern === 'string' && isPattern(pattern) && typeof shard === 'number';
  if (!isJob) throw new Error('the message is neither a hint nor a job');
  return { kind: 'job', channel, pattern, shard, ...(isGuard === true ? { isGuard } : {}) };
}

function delayedHintOf({ relay: channel, offset, tries }: Fields): PushWork {
  const position = typeof offset === 'string' ? parseOffset(offset) : undefined;
  if (typeof channel !== 'string' || !isChannelName(channel) || !position || typeof tries !== 'number')
    throw new Error('the delayed hint names no channel, or no offset');
  return { kind: 'delayed-hint', channel, offset: position, tries };
}

function disconnectOf({ goodbye, connection, principal, at }: Fields): DisconnectRequest {
  if (typeof at !== 'number') throw new Error('the disconnect request has no time');
  const isOfOne = goodbye === 'expired' || goodbye === 'ended';
  if (isOfOne && typeof connection === 'string') return { kind: goodbye, connection, at };
  if (goodbye === 'kicked' && typeof principal === 'string') return { kind: goodbye, principal, at };
  throw new Error('the disconnect request names no connection and no principal');
}

/** Messages with the same key are merged: two hints of a channel become one with the later offset. */
function keyOf(work: PushWork): string {
  switch (work.kind) {
    case 'hint':
      return work.channel;
    case 'job':
      return `${work.channel} ${work.pattern} ${work.shard}`;
    // No channel begins with "@".
    case 'delayed-hint':
      return `@delayed ${work.channel}`;
    case 'ephemeral':
      return `@ephemeral ${ephemeralKeyOf(work)}`;
    case 'expired':
      return `@${work.connection}`;
    // Not merged with the former: a token may end long after.
    case 'ended':
      return `@ended ${work.connection}`;
    case 'kicked':
      return `@@${work.principal} ${work.at}`;
  }
}

/** Returns the facts for a log line. The principal is left out, because it may be the name of a person. */
function aboutOf(work: PushWork): Readonly<Record<string, unknown>> {
  switch (work.kind) {
    case 'hint':
    case 'delayed-hint':
      return { channel: work.channel, offset: formatOffset(work.offset) };
    case 'job':
      return { channel: work.channel, pattern: work.pattern, shard: work.shard };
    case 'ephemeral':
      return { ephemeral: work.channel };
    case 'expired':
    case 'ended':
      return { goodbye: work.kind, connection: work.connection };
    case 'kicked':
      return { goodbye: work.kind };
  }
}

/** Parses, merges and logs the messages of the push queue. */
export const pushQueue: QueueFormat<PushWork> = {
  parse(body, attributes) {
    const work = parsePushWork(body);
    return work.kind === 'ephemeral' ? { ...work, ...received(work, attributes) } : work;
  },
  keyOf,
  about: aboutOf,
  merge(one, other) {
    if (one.kind === 'job' && other.kind === 'job')
      return { ...other, isGuard: one.isGuard === true && other.isGuard === true };
    // The entry of the later one stays: it ends at the later offset.
    if (one.kind === 'hint' && other.kind === 'hint')
      return { ...later(one, other), isClosing: one.isClosing || other.isClosing };
    if (one.kind === 'ephemeral' && other.kind === 'ephemeral')
      return { ...one, parts: [...one.parts, ...other.parts] };
    if (one.kind !== 'delayed-hint' || other.kind !== 'delayed-hint') return other;
    return { ...later(one, other), tries: Math.min(one.tries, other.tries) };
  },
};

const later = <T extends Pick<Hint, 'offset'>>(one: T, other: T): T =>
  isBefore(one.offset, other.offset) ? other : one;

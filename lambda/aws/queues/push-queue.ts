/**
 * The messages of the push queue: hints, relays (hints for the topic), jobs for one shard of a channel's subscribers, and
 * goodbyes (sockets to end). Only this module writes and reads them.
 * @module
 */
import { SendMessageBatchCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { isChannelName, isPattern } from '../../../protocol/channel-name.ts';
import { Refusal } from '../../../protocol/errors.ts';
import { type Fields, fieldsOf } from '../../../protocol/fields.ts';
import { formatOffset, isBefore, parseOffset } from '../../../protocol/offset.ts';
import type { Hint } from '../../hub/push/on-hint.ts';
import type { DisconnectQueue, DisconnectRequest, Job, Jobs } from '../../hub/push/push-ports.ts';
import type { Relay, Relays } from '../../hub/push/relay.ts';
import { call, clientSettings } from '../aws-client.ts';
import type { Carried } from './queue-handler.ts';

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html */
const BATCH = 10;
const MAX_DELAY_SECONDS = 900;

const BUSY = 'the queue is busy; retry';

/** Characters of a group id. It keeps one busy channel from delaying the others; a name that is longer shares its group. */
const MAX_GROUP_ID_LENGTH = 128;

export const groupOf = (channel: string): string => channel.slice(0, MAX_GROUP_ID_LENGTH);

/**
 * A body as JSON in ASCII. Queues refuse characters that callers may well have in their names, U+FFFE among them; JSON can escape
 * every one.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
 */
export const asciiJson = (body: object): string =>
  JSON.stringify(body).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** A message as SQS takes it. */
interface Outgoing {
  readonly MessageBody: string;
  readonly MessageGroupId: string;
  readonly DelaySeconds?: number;
}

/** Sends at most ten messages. @throws Refusal unavailable if the queue did not take all of them */
export async function sendBatch(
  client: SQSClient,
  queueUrl: string,
  messages: readonly Outgoing[],
): Promise<void> {
  const Entries = messages.map((message, at) => ({ Id: String(at), ...message }));
  const batch = new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries });
  const { Failed = [] } = await call(() => client.send(batch), BUSY);
  if (Failed.length > 0) throw new Refusal('unavailable', 'the queue did not take every message; retry');
}

export function jobsBySqs(queueUrl: string): Jobs {
  const client = new SQSClient(clientSettings);
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

/** Sends a body. With a group no other group waits for those before it. */
export function sendingTo(queueUrl: string) {
  const client = new SQSClient(clientSettings);
  return async (body: object, delayMs = 0, group?: string): Promise<void> => {
    const send = new SendMessageCommand({
      QueueUrl: queueUrl,
      MessageBody: asciiJson(body),
      DelaySeconds: secondsOf(delayMs),
      ...(group === undefined ? {} : { MessageGroupId: group }),
    });
    await call(() => client.send(send), BUSY);
  };
}

/** The message group of all relays. They must not delay the hints of their channels. */
const RELAYS = '@relays';

/** Returns a relay as a message of the push queue. @param delayMs delay of its delivery, in milliseconds */
export const relayMessage = (
  { channel, offset, tries }: { readonly channel: string; readonly offset: string; readonly tries: number },
  delayMs: number,
): Outgoing => ({
  MessageBody: asciiJson({ relay: channel, offset, tries }),
  MessageGroupId: RELAYS,
  DelaySeconds: secondsOf(delayMs),
});

export function relaysBySqs(queueUrl: string): Relays {
  const client = new SQSClient(clientSettings);
  return {
    send: async ({ offset, ...relay }, delayMs) =>
      await sendBatch(client, queueUrl, [relayMessage({ ...relay, offset: formatOffset(offset) }, delayMs)]),
  };
}

/** The group of all goodbyes, which is no channel's: those that come together must not delay what is published. */
const GOODBYES = '@goodbyes';

/**
 * Delayed and sent again, not received and hidden: a queue may have 120,000 messages that were received, and each socket
 * with a token that ends would be one of them for all of its life.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
 */
export function disconnectsBySqs(queueUrl: string): DisconnectQueue {
  const send = sendingTo(queueUrl);
  return {
    send: async ({ kind, ...rest }, delayMs) => await send({ goodbye: kind, ...rest }, delayMs, GOODBYES),
  };
}

export type PushWork =
  | ({ readonly kind: 'hint' } & Hint)
  | ({ readonly kind: 'relay' } & Relay)
  | ({ readonly kind: 'job' } & Job)
  | DisconnectRequest;

/** Reads the body of a message. @throws Error for one that nobody here wrote */
export function parsePushWork(body: string): PushWork {
  const fields = fieldsOf(JSON.parse(body));
  if (fields.goodbye !== undefined) return goodbyeOf(fields);
  if (fields.relay !== undefined) return relayOf(fields);
  const { channel, offset, closed, pattern, shard, isGuard } = fields;
  if (typeof channel !== 'string' || !isChannelName(channel)) throw new Error('the message names no channel');
  const position = typeof offset === 'string' ? parseOffset(offset) : undefined;
  if (position) return { kind: 'hint', channel, offset: position, isClosing: closed === true };
  const isJob = typeof pattern === 'string' && isPattern(pattern) && typeof shard === 'number';
  if (!isJob) throw new Error('the message is neither a hint nor a job');
  return { kind: 'job', channel, pattern, shard, ...(isGuard === true ? { isGuard } : {}) };
}

function relayOf({ relay, offset, tries }: Fields): PushWork {
  const position = typeof offset === 'string' ? parseOffset(offset) : undefined;
  if (typeof relay !== 'string' || !isChannelName(relay) || !position || typeof tries !== 'number')
    throw new Error('the relay names no channel, or no offset');
  return { kind: 'relay', channel: relay, offset: position, tries };
}

function goodbyeOf({ goodbye, connection, principal, at }: Fields): DisconnectRequest {
  if (typeof at !== 'number') throw new Error('the goodbye has no time');
  if (goodbye === 'expired' && typeof connection === 'string') return { kind: goodbye, connection, at };
  if (goodbye === 'kicked' && typeof principal === 'string') return { kind: goodbye, principal, at };
  throw new Error('the goodbye is to nobody');
}

/** Two hints of a channel are as one to the later offset. */
function keyOf(work: PushWork): string {
  switch (work.kind) {
    case 'hint':
      return work.channel;
    case 'job':
      return `${work.channel} ${work.pattern} ${work.shard}`;
    // None of these begins as a channel does.
    case 'relay':
      return `@relay ${work.channel}`;
    case 'expired':
      return `@${work.connection}`;
    case 'kicked':
      return `@@${work.principal} ${work.at}`;
  }
}

/** What whoever reads a log is told of it. Whose sockets are ended is a person's name to some. */
function aboutOf(work: PushWork): Readonly<Record<string, unknown>> {
  switch (work.kind) {
    case 'hint':
    case 'relay':
      return { channel: work.channel, offset: formatOffset(work.offset) };
    case 'job':
      return { channel: work.channel, pattern: work.pattern, shard: work.shard };
    case 'expired':
      return { goodbye: work.kind, connection: work.connection };
    case 'kicked':
      return { goodbye: work.kind };
  }
}

/** The queue of the push. */
export const pushQueue: Carried<PushWork> = {
  parse: parsePushWork,
  keyOf,
  about: aboutOf,
  merge(one, other) {
    if (one.kind === 'job' && other.kind === 'job')
      return { ...other, isGuard: one.isGuard === true && other.isGuard === true };
    if (one.kind === 'hint' && other.kind === 'hint')
      return { ...other, offset: later(one, other), isClosing: one.isClosing || other.isClosing };
    if (one.kind !== 'relay' || other.kind !== 'relay') return other;
    return { ...other, offset: later(one, other), tries: Math.min(one.tries, other.tries) };
  },
};

const later = (one: Pick<Hint, 'offset'>, other: Pick<Hint, 'offset'>): Hint['offset'] =>
  isBefore(one.offset, other.offset) ? other.offset : one.offset;

/**
 * Hints as messages of the topic and of the queues. A team's own subscriptions to the topic get them, too.
 * @module
 */
import { type Fields, fieldsOf } from '../../../protocol/fields.ts';
import type { HintedEntry } from '../../hub/log/entry.ts';
import type { SendHint } from '../../hub/log/log-ports.ts';

/**
 * SNS and SQS bill a message of up to 64 KB, attributes included, as one.
 * https://aws.amazon.com/sns/pricing/ https://aws.amazon.com/sqs/pricing/
 */
const UNIT_BYTES = 64 * 1024;

/** What is left of the unit for the attribute of a message: the name of its channel, and what describes it. */
const ATTRIBUTE_BYTES = 1_024;

/** The longest hint that carries its entry. */
export const MAX_HINT_BYTES = UNIT_BYTES - ATTRIBUTE_BYTES;

/**
 * Returns a body as JSON in ASCII. SQS refuses some characters, such as U+FFFE, that names of callers may have. JSON can escape
 * every character.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
 */
export const asciiJson = (body: object): string =>
  JSON.stringify(body).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** Returns the body of a hint, with its entry if both fit into one unit. */
export function hintBody({ channel, offset, isClosing, entry }: Parameters<SendHint>[0]): string {
  const hint = { channel, offset, ...(isClosing ? { closed: true } : {}) };
  // JSON and base64 are never shorter than the messages, so what is too long is not serialized.
  const length = entry?.messages.reduce((sum, message) => sum + message.length, 0) ?? 0;
  if (!entry || length > MAX_HINT_BYTES) return asciiJson(hint);
  const { streamId, slot, time, contentType, messages } = entry;
  const inline = { stream: streamId, slot, time, type: contentType, messages: messages.map(wireMessage) };
  const body = asciiJson({ ...hint, entry: inline });
  return body.length <= MAX_HINT_BYTES ? body : asciiJson(hint);
}

const wireMessage = (message: string | Uint8Array) =>
  typeof message === 'string' ? message : { base64: Buffer.from(message).toString('base64') };

/** Returns the entry of a hint; undefined if it has none, or one that this version of the hub does not know. */
export function hintedEntryIn({ entry }: Fields): HintedEntry | undefined {
  const { stream: streamId, slot, time, type: contentType, messages } = fieldsOf(entry);
  if (typeof streamId !== 'string' || typeof contentType !== 'string') return undefined;
  if (typeof slot !== 'number' || typeof time !== 'number' || !Array.isArray(messages)) return undefined;
  const parsed = messages.map(messageIn);
  const all = parsed.filter((message) => message !== undefined);
  return all.length === parsed.length ? { streamId, slot, time, contentType, messages: all } : undefined;
}

function messageIn(message: unknown): string | Uint8Array | undefined {
  if (typeof message === 'string') return message;
  const { base64 } = fieldsOf(message);
  return typeof base64 === 'string' ? new Uint8Array(Buffer.from(base64, 'base64')) : undefined;
}

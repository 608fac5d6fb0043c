/**
 * Parses the frames of clients (PROTOCOL.md §12.1). A refusal names the member and the values allowed.
 * @module
 */
import { isPattern } from '../../protocol/channel-name.ts';
import { Refusal } from '../../protocol/errors.ts';
import { type Fields, fieldsOf } from '../../protocol/fields.ts';
import {
  MAX_IDEMPOTENCY_KEY_LENGTH,
  MAX_PRODUCER_ID_LENGTH,
  MAX_REQUEST_ID_LENGTH,
} from '../../protocol/limits.ts';
import { parseOffset } from '../../protocol/offset.ts';
import { refuseBadName } from '../http/parse-channel.ts';
import { messageCount, timeOf } from '../http/parse-read.ts';
import type { AppendRequest } from '../hub/log/append.ts';
import { JSON_MEDIA_TYPE } from '../hub/log/channel.ts';
import { memberText } from '../hub/log/messages.ts';
import type { Producer } from '../hub/log/producer.ts';
import type { From } from '../hub/log/read-log.ts';

/** The request in a frame. */
export type ClientRequest =
  | {
      readonly action: 'subscribe';
      readonly pattern: string;
      readonly from: From;
      readonly isConflated: boolean;
      /** What the connection says about itself (PROTOCOL.md §14), unchecked. */
      readonly presence: unknown;
    }
  | { readonly action: 'unsubscribe'; readonly pattern: string }
  | PublishRequest
  | { readonly action: 'ping' };

/** A publish. */
export interface PublishRequest {
  readonly action: 'publish';
  /** What is published. */
  readonly append: AppendRequest;
  /** The idempotency key; undefined without one. */
  readonly key: string | undefined;
  /** True if nothing is stored. */
  readonly isEphemeral: boolean;
}

const PRINTABLE = /^[\x20-\x7e]+$/;

/** Returns the members of a frame. @throws Refusal bad_json, bad_request */
export function parseFrame(body: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new Refusal('bad_json', 'the frame is not valid JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal('bad_request', 'a frame is a JSON object with an action');
  return { ...value };
}

/** Returns the `id` that the answer repeats, if the frame has one. @throws Refusal bad_request */
export function requestIdOf({ id }: Fields): string | undefined {
  if (id === undefined) return undefined;
  if (typeof id === 'string' && id.length >= 1 && id.length <= MAX_REQUEST_ID_LENGTH) return id;
  throw new Refusal('bad_request', `id must be text of 1 to ${MAX_REQUEST_ID_LENGTH} characters`);
}

/**
 * Returns the request in a frame.
 * @param body the text of the frame, from which messages are taken as they were written
 * @throws Refusal unknown_action, bad_request, bad_channel, bad_offset
 */
export function parseClientRequest(fields: Fields, body: string): ClientRequest {
  switch (fields.action) {
    case 'subscribe':
      return {
        action: 'subscribe',
        pattern: patternOf(fields),
        from: fromOf(fields),
        isConflated: conflateOf(fields),
        presence: fields.presence,
      };
    case 'unsubscribe':
      return { action: 'unsubscribe', pattern: patternOf(fields) };
    case 'publish':
      return publishOf(fields, body);
    case 'ping':
      return { action: 'ping' };
    default:
      throw new Refusal('unknown_action', 'the actions are subscribe, unsubscribe, publish and ping');
  }
}

function patternOf({ channel }: Fields): string {
  if (typeof channel === 'string' && isPattern(channel)) return channel;
  throw new Refusal('bad_channel', 'channel must be the name of a channel, a name followed by /*, or *');
}

function fromOf({ offset, last, since }: Fields): From {
  if ([offset, last, since].filter((start) => start !== undefined).length > 1)
    throw new Refusal('bad_request', 'send one of offset, last and since');
  if (last !== undefined) return { last: messageCount('last', last) };
  if (since !== undefined) return { since: timeOf('since', since) };
  if (offset === undefined || offset === 'now') return 'now';
  if (offset === '-1') return 'beginning';
  if (offset === 'latest') return 'latest';
  const position = typeof offset === 'string' ? parseOffset(offset) : undefined;
  if (position) return position;
  throw new Refusal('bad_offset', 'offset must be one that the hub gave out, "-1", "now" or "latest"');
}

function conflateOf({ conflate }: Fields): boolean {
  if (conflate === undefined || typeof conflate === 'boolean') return conflate === true;
  throw new Refusal('bad_request', 'conflate must be true or false');
}

/**
 * Returns the publish in a frame, or in a message of the intake queue.
 * @param body the text, from which messages are taken as they were written
 * @throws Refusal bad_request, bad_channel
 */
export function publishOf(fields: Fields, body: string): PublishRequest {
  const { channel, messages, key, producer, ephemeral } = fields;
  if (typeof channel !== 'string') throw new Refusal('bad_channel', 'channel must be the name of a channel');
  refuseBadName(channel);
  if (!Array.isArray(messages)) throw new Refusal('bad_request', 'messages must be a list of JSON values');
  if (key !== undefined && producer !== undefined)
    throw new Refusal('bad_request', 'send key or producer, not both');
  if (ephemeral !== undefined && ephemeral !== true)
    throw new Refusal('bad_request', 'ephemeral can only be true');
  if (ephemeral && (key !== undefined || producer !== undefined))
    throw new Refusal('bad_request', 'ephemeral messages have no key and no producer: they are not stored');
  const append = {
    channel,
    contentType: JSON_MEDIA_TYPE,
    seq: undefined,
    close: false,
    producer: producer === undefined ? undefined : producerOf(producer),
    // The original text: parsing loses long numbers and the order of members.
    body: new TextEncoder().encode(memberText(body, 'messages')),
  };
  return {
    action: 'publish',
    append,
    key: key === undefined ? undefined : textOf('key', key, MAX_IDEMPOTENCY_KEY_LENGTH),
    isEphemeral: ephemeral === true,
  };
}

function producerOf(value: unknown): Producer {
  const { id, epoch, seq } = fieldsOf(value);
  return {
    id: textOf('producer.id', id, MAX_PRODUCER_ID_LENGTH),
    epoch: wholeNumber('producer.epoch', epoch),
    seq: wholeNumber('producer.seq', seq),
  };
}

function textOf(name: string, value: unknown, longest: number): string {
  if (typeof value === 'string' && PRINTABLE.test(value) && value.length <= longest) return value;
  throw new Refusal('bad_request', `${name} must be 1 to ${longest} printable ASCII characters`);
}

function wholeNumber(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Refusal('bad_request', `${name} must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
}

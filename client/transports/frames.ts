/**
 * The frames of the hub on a socket (PROTOCOL.md §12.2), parsed from text.
 * @module
 */
import type { ErrorCode } from '../../protocol/errors.ts';
import { RETRY_AFTER_SECONDS } from '../../protocol/limits.ts';
import { parseOffset } from '../../protocol/offset.ts';
import type { Frame } from '../cursor.ts';
import { isErrorCode, isRecord, isTemporary, TidingsError } from '../errors.ts';

/** The type of the answer to each action. */
const ANSWERS = {
  subscribe: 'subscribed',
  unsubscribe: 'unsubscribed',
  publish: 'published',
  ping: 'pong',
} as const;

/** A request on a socket (PROTOCOL.md §12.1). */
export interface Action {
  /** The name of the action. */
  readonly action: keyof typeof ANSWERS;
  /** A channel or pattern. */
  readonly channel?: string;
  /** `subscribe` only: an offset, `-1`, `now` or `latest`. */
  readonly offset?: string | undefined;
  /** `subscribe` only, in place of the offset: a number of messages before the end. */
  readonly last?: number;
  /** `subscribe` only: skip messages that newer ones of the same key have replaced. */
  readonly conflate?: true;
  /** `subscribe` only: what the member of a channel says about itself (PROTOCOL.md §14). */
  readonly presence?: unknown;
  /** `publish` only: the Idempotency-Key. */
  readonly key?: string;
  /** `publish` only: the messages are not stored (PROTOCOL.md §4.7). */
  readonly ephemeral?: true;
}

/** Messages that were not stored, and that come at most once and in no order (PROTOCOL.md §4.7). */
export interface Ephemeral {
  /** The name of the channel. With a pattern, the channel that matched. */
  readonly channel: string;
  /** Parsed JSON values. */
  readonly messages: readonly unknown[];
}

/** The answer to a request. */
export interface Answer {
  /** The position at which the frames begin. Undefined for a pattern, and if the connection was subscribed already. */
  readonly offset: string | undefined;
  /** True if the channel is closed and the offset is its end. */
  readonly closed: boolean;
  /** True if the connection is now a member of a channel with presence (PROTOCOL.md §14). Default: false. */
  readonly isMember?: boolean;
}

/** A frame of the hub or of API Gateway. */
export type ServerFrame =
  | { readonly kind: 'messages'; readonly frame: Frame }
  | {
      readonly kind: 'ephemeral';
      /** The subscribed channel or pattern. */
      readonly topic: string;
      /** The messages. */
      readonly ephemeral: Ephemeral;
    }
  | {
      readonly kind: 'answer';
      /** The id of the request. */
      readonly id: string;
      /** `subscribed`, `unsubscribed`, `published` or `pong`. */
      readonly type: unknown;
      /** The offset and the end in the answer. */
      readonly answer: Answer;
    }
  | {
      readonly kind: 'error';
      /** Undefined if the error answers no request. Then it is about a subscription. */
      readonly id: string | undefined;
      /** The channel or pattern that the error is about. */
      readonly channel: string | undefined;
      /** The refusal. */
      readonly error: TidingsError;
    }
  /** API Gateway refused a frame of this client. It does not say which one. */
  | { readonly kind: 'gateway'; readonly error: TidingsError };

/** True for an answer in the hub's form. Only an offset acknowledges a publish, and an ephemeral one has none. */
export const isAnswerTo = ({ action, ephemeral }: Action, type: unknown, { offset }: Answer): boolean =>
  type === ANSWERS[action] && (action !== 'publish' || (offset === undefined) === (ephemeral === true));

/** Returns undefined for a frame that this client does not know. A newer hub may send such frames. */
export function parseFrame(text: string): ServerFrame | undefined {
  const fields = parseJson(text);
  if (!isRecord(fields)) return undefined;
  const { type, offset, closed, presence, requestId } = fields;
  const id = textOr(fields.id);
  if (type === 'messages') return messages(fields);
  if (type === 'ephemeral') return ephemeral(fields);
  if (type === 'error') return { kind: 'error', id, channel: textOr(fields.channel), error: errorOf(fields) };
  if (id !== undefined) {
    const answer = { offset: offsetOr(offset), closed: closed === true };
    return { kind: 'answer', id, type, answer: presence === true ? { ...answer, isMember: true } : answer };
  }
  return type === undefined && requestId !== undefined
    ? { kind: 'gateway', error: gatewayError(fields) }
    : undefined;
}

function messages(fields: Readonly<Record<string, unknown>>): ServerFrame | undefined {
  const channel = textOr(fields.channel);
  const from = offsetOr(fields.from);
  const next = offsetOr(fields.next);
  if (channel === undefined || from === undefined || next === undefined) return undefined;
  const { content, encoding } = contentOf(fields);
  const frame = {
    channel,
    pattern: textOr(fields.pattern),
    from,
    next,
    messages: content ?? [],
    encoding,
    closed: fields.closed === true,
    isConflated: fields.conflated === true,
    // A frame whose messages this client does not understand must be read over HTTP.
    omitted: content === undefined,
  };
  return { kind: 'messages', frame };
}

function ephemeral(fields: Readonly<Record<string, unknown>>): ServerFrame | undefined {
  const channel = textOr(fields.channel);
  const { messages } = fields;
  if (channel === undefined || !Array.isArray(messages)) return undefined;
  return { kind: 'ephemeral', topic: textOr(fields.pattern) ?? channel, ephemeral: { channel, messages } };
}

function contentOf(fields: Readonly<Record<string, unknown>>): {
  readonly content: readonly unknown[] | undefined;
  readonly encoding: Frame['encoding'];
} {
  if (Array.isArray(fields.messages)) return { content: fields.messages, encoding: 'json' };
  if (Array.isArray(fields.text)) return { content: fields.text, encoding: 'text' };
  const { base64 } = fields;
  return { content: Array.isArray(base64) ? base64 : undefined, encoding: 'base64' };
}

/** https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html */
function gatewayError({ message }: Readonly<Record<string, unknown>>): TidingsError {
  const code = message === 'Too Many Requests' ? 'too_many_requests' : 'internal';
  return new TidingsError(code, `API Gateway answered: ${String(message)}`, waitAfter(code));
}

function errorOf({ code, message }: Readonly<Record<string, unknown>>): TidingsError {
  const known = isErrorCode(code) ? code : 'bad_request';
  return new TidingsError(known, String(message), waitAfter(known));
}

/** A frame has no Retry-After. A temporary refusal means: wait a second (PROTOCOL.md §8). */
const waitAfter = (code: ErrorCode) => ({
  retryAfterMs: isTemporary(code) ? RETRY_AFTER_SECONDS * 1_000 : 0,
});

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const textOr = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const offsetOr = (value: unknown): string | undefined =>
  typeof value === 'string' && parseOffset(value) ? value : undefined;

/**
 * What the hub says on a socket (PROTOCOL.md §12.2), narrowed from text.
 * @module
 */
import { parseOffset } from '../../protocol/offset.ts';
import type { Frame } from '../cursor.ts';
import { isErrorCode, isRecord, TidingsError } from '../errors.ts';

/** What the hub answers to each action. */
const ANSWERS = {
  subscribe: 'subscribed',
  unsubscribe: 'unsubscribed',
  publish: 'published',
  ping: 'pong',
} as const;

export interface Action {
  readonly action: keyof typeof ANSWERS;
  readonly channel?: string;
  readonly offset?: string | undefined;
  readonly key?: string;
}

export interface Answer {
  /** Undefined for a pattern, and for a subscription that was there already. */
  readonly offset: string | undefined;
  /** True if the channel is closed and the offset is its end. */
  readonly closed: boolean;
}

export type ServerFrame =
  | { readonly kind: 'messages'; readonly frame: Frame }
  | {
      readonly kind: 'answer';
      readonly id: string;
      /** `subscribed`, `unsubscribed`, `published` or `pong`. */
      readonly type: unknown;
      readonly answer: Answer;
    }
  | {
      readonly kind: 'error';
      /** Undefined if it answers nothing: then it is about a subscription. */
      readonly id: string | undefined;
      readonly channel: string | undefined;
      readonly error: TidingsError;
    }
  /** API Gateway refused something that was said here, and does not tell what. */
  | { readonly kind: 'gateway'; readonly error: TidingsError };

/** True for an answer in the hub's form. A publish is acknowledged by an offset, and by nothing else. */
export const isAnswerTo = ({ action }: Action, type: unknown, { offset }: Answer): boolean =>
  type === ANSWERS[action] && (action !== 'publish' || offset !== undefined);

/** Undefined for what a newer hub may say. */
export function parseFrame(text: string): ServerFrame | undefined {
  const said = parseJson(text);
  if (!isRecord(said)) return undefined;
  const { type, offset, closed, requestId } = said;
  const id = textOr(said.id);
  if (type === 'messages') return messages(said);
  if (type === 'error') return { kind: 'error', id, channel: textOr(said.channel), error: errorOf(said) };
  if (id !== undefined)
    return { kind: 'answer', id, type, answer: { offset: offsetOr(offset), closed: closed === true } };
  return type === undefined && requestId !== undefined
    ? { kind: 'gateway', error: gatewayError(said) }
    : undefined;
}

function messages(said: Readonly<Record<string, unknown>>): ServerFrame | undefined {
  const channel = textOr(said.channel);
  const from = offsetOr(said.from);
  const next = offsetOr(said.next);
  if (channel === undefined || from === undefined || next === undefined) return undefined;
  const { content, encoding } = contentOf(said);
  const frame = {
    channel,
    pattern: textOr(said.pattern),
    from,
    next,
    messages: content ?? [],
    encoding,
    closed: said.closed === true,
    // A frame without messages that this client knows must be read over HTTP.
    omitted: content === undefined,
  };
  return { kind: 'messages', frame };
}

function contentOf(said: Readonly<Record<string, unknown>>): {
  readonly content: readonly unknown[] | undefined;
  readonly encoding: Frame['encoding'];
} {
  if (Array.isArray(said.messages)) return { content: said.messages, encoding: 'json' };
  if (Array.isArray(said.text)) return { content: said.text, encoding: 'text' };
  const { base64 } = said;
  return { content: Array.isArray(base64) ? base64 : undefined, encoding: 'base64' };
}

/** https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html */
function gatewayError({ message }: Readonly<Record<string, unknown>>): TidingsError {
  const code = message === 'Too Many Requests' ? 'too_many_requests' : 'internal';
  return new TidingsError(code, `API Gateway answered: ${String(message)}`);
}

function errorOf({ code, message }: Readonly<Record<string, unknown>>): TidingsError {
  return new TidingsError(isErrorCode(code) ? code : 'bad_request', String(message));
}

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

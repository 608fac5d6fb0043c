/**
 * What the hub says on a socket (PROTOCOL.md §12.2), narrowed from text.
 * @module
 */
import { parseOffset } from '../protocol/offset.ts';
import { isErrorCode, isRecord, TidingsError } from './errors.ts';
import type { Frame } from './gap-rule.ts';

/** `subscribed`, `unsubscribed`, `published` or `pong`. */
export interface Answer {
  /** Undefined for a pattern, and for a subscription that was there already. */
  readonly offset: string | undefined;
  /** True if the channel is closed and the offset is its end. */
  readonly closed: boolean;
}

export type Said =
  | { readonly kind: 'messages'; readonly frame: Frame }
  | { readonly kind: 'answer'; readonly id: string; readonly answer: Answer }
  | {
      readonly kind: 'error';
      /** Undefined if it answers nothing: then it is about a subscription. */
      readonly id: string | undefined;
      readonly channel: string | undefined;
      readonly error: TidingsError;
    };

/** Undefined for what is none of the hub's: the gateway's own messages, and what a newer hub may say. */
export function parseFrame(text: string): Said | undefined {
  const said = parseJson(text);
  if (!isRecord(said)) return undefined;
  const { type, offset, closed } = said;
  const id = textOr(said.id);
  if (type === 'messages') return messages(said);
  if (type === 'error') return { kind: 'error', id, channel: textOr(said.channel), error: errorOf(said) };
  if (id === undefined) return undefined;
  return { kind: 'answer', id, answer: { offset: offsetOr(offset), closed: closed === true } };
}

function messages(said: Readonly<Record<string, unknown>>): Said | undefined {
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
    // Whatever carries no messages that this client knows must be read in another way.
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

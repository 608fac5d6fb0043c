/**
 * The key of a keyed channel (PROTOCOL.md §4.8): JSON Pointers that say which values of a message are its key.
 * https://www.rfc-editor.org/rfc/rfc6901
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { fieldsOf, ownValue } from '../../../protocol/fields.ts';
import { STREAM_KEY } from '../../../protocol/headers.ts';
import { MAX_KEY_LENGTH, MAX_KEY_POINTERS, MAX_STREAM_KEY_LENGTH } from '../../../protocol/limits.ts';
import type { Messages } from '../log/entry.ts';
import { elementsOf, memberText } from '../log/messages.ts';

/** The names and array indexes that lead to one value. */
type Pointer = readonly string[];

/** What a message of a keyed channel says about its key. */
export interface KeyedText {
  /** The values of the key as JSON, joined by commas. Messages with the same text have the same key. */
  readonly key: string;
  /** True if the message removes its key. */
  readonly isDelete: boolean;
}

/** Takes the key of a message; undefined if the message has none. */
export type KeyOf = (message: string | Uint8Array) => KeyedText | undefined;

/** One pointer, in printable ASCII, because it comes and goes in a header. `~` stands only in `~0` and `~1`. */
const POINTER = /^(\/([\x20-\x7d]|~[01])*)$/;
const INDEX = /^(0|[1-9]\d*)$/;

/**
 * Returns the key of a new channel as it is stored: the pointers without white space around them.
 * @throws Refusal bad_request
 */
export function parseStreamKey(text: string): string {
  const pointers = text.split(',').map((pointer) => pointer.trim());
  if (
    text.length <= MAX_STREAM_KEY_LENGTH &&
    pointers.length <= MAX_KEY_POINTERS &&
    pointers.every((pointer) => POINTER.test(pointer))
  )
    return pointers.join(',');
  throw new Refusal(
    'bad_request',
    `${STREAM_KEY} must be 1 to ${MAX_KEY_POINTERS} JSON Pointers such as /symbol, separated by commas, ` +
      `with ${MAX_STREAM_KEY_LENGTH} printable ASCII characters at most`,
  );
}

/** Returns a function that takes the key of each message. @param streamKey the stored key of the channel */
export function keyOfMessages(streamKey: string): KeyOf {
  const pointers = streamKey.split(',').map(tokensOf);
  return (message) => (typeof message === 'string' ? keyIn(message, pointers) : undefined);
}

const tokensOf = (pointer: string): Pointer =>
  pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));

function keyIn(message: string, pointers: readonly Pointer[]): KeyedText | undefined {
  const value: unknown = JSON.parse(message);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const parts: string[] = [];
  let length = 0;
  for (const pointer of pointers) {
    const part = valueAt(value, pointer);
    if (typeof part === 'string') {
      parts.push(JSON.stringify(part));
      length += part.length;
    } else if (typeof part === 'number' || typeof part === 'boolean') {
      // The text of a number, and not its value: a parser would make one key of two long numbers.
      const text = typeof part === 'number' ? textAt(message, pointer) : String(part);
      parts.push(text);
      length += text.length;
    } else return undefined;
  }
  if (length > MAX_KEY_LENGTH) return undefined;
  return {
    key: parts.join(','),
    isDelete: fieldsOf(ownValue(fieldsOf(value), 'headers')).operation === 'delete',
  };
}

function valueAt(value: unknown, [token, ...rest]: Pointer): unknown {
  if (token === undefined) return value;
  if (Array.isArray(value)) return INDEX.test(token) ? valueAt(value[Number(token)], rest) : undefined;
  return valueAt(ownValue(fieldsOf(value), token), rest);
}

/** Returns the raw text of a value that exists in a JSON text. */
function textAt(text: string, [token, ...rest]: Pointer): string {
  if (token === undefined) return text;
  const inside = text.startsWith('[') ? (elementsOf(text)[Number(token)] ?? '') : memberText(text, token);
  return textAt(inside, rest);
}

/** Returns true if every message has the key. */
export const haveKey = (streamKey: string, messages: Messages): boolean => {
  const keyOf = keyOfMessages(streamKey);
  return messages.every((message) => keyOf(message) !== undefined);
};

/** Refuses messages without the key of their channel. @throws Refusal bad_key */
export function requireKey(streamKey: string | undefined, messages: Messages): void {
  if (streamKey === undefined || haveKey(streamKey, messages)) return;
  throw new Refusal(
    'bad_key',
    `on this channel each message is a JSON object with a string, number or boolean at ${streamKey}, ` +
      `of ${MAX_KEY_LENGTH} characters together at most`,
  );
}

/**
 * Splits a request body into messages (PROTOCOL.md §4). JSON is checked but not written again: a message is kept as the text that
 * was published, so that large numbers, the order of keys and escapes survive.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { MAX_MESSAGE_BYTES, MAX_MESSAGES_PER_REQUEST, MAX_REQUEST_BYTES } from '../../../protocol/limits.ts';
import type { StampMembers } from '../../../protocol/stamp.ts';
import { isJson, mediaType } from './channel.ts';
import type { Messages } from './entry.ts';

/**
 * Returns the messages of a body; none if it is empty, or `[]` in JSON.
 * @throws Refusal too_large, bad_json
 */
export function parseMessages(contentType: string, body: Uint8Array): Messages {
  if (body.byteLength > MAX_REQUEST_BYTES) {
    throw new Refusal('too_large', `a request may be ${MAX_REQUEST_BYTES} bytes, got ${body.byteLength}`);
  }
  if (body.byteLength === 0) return [];
  if (!isJson(contentType)) {
    refuseLarge(body.byteLength);
    return [body];
  }
  const messages = splitJson(decode(body));
  if (messages.length > MAX_MESSAGES_PER_REQUEST) {
    throw new Refusal(
      'too_large',
      `a request may hold ${MAX_MESSAGES_PER_REQUEST} messages, got ${messages.length}`,
    );
  }
  // No message is larger than the body, so the bytes of each are counted only for a large body.
  if (body.byteLength > MAX_MESSAGE_BYTES) {
    const encoder = new TextEncoder();
    for (const message of messages) refuseLarge(encoder.encode(message).byteLength);
  }
  return messages;
}

function refuseLarge(bytes: number): void {
  if (bytes > MAX_MESSAGE_BYTES) {
    throw new Refusal('too_large', `a message may be ${MAX_MESSAGE_BYTES} bytes, got ${bytes}`);
  }
}

function decode(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new Refusal('bad_json', 'the body is not UTF-8');
  }
}

/** What the hub adds to each message of a publish (PROTOCOL.md §4.6). */
export interface Stamp {
  /** The names of the members, and what they say. */
  readonly members: StampMembers;
  /** The principal that publishes; undefined if its token has no `sub`. */
  readonly sub: string | undefined;
}

/**
 * Returns the messages with the members of the stamp, inserted into their text before their first own member.
 * @param now time of the publish, in milliseconds since 1970
 * @throws Refusal reserved_member for a message that is no JSON object or has such a member; too_large
 */
export function stamped(messages: Messages, stamp: Stamp | undefined, now: number): Messages {
  if (!stamp) return messages;
  const values = {
    sub: JSON.stringify(stamp.sub ?? null),
    time: JSON.stringify(new Date(now).toISOString()),
  };
  const names = Object.keys(stamp.members);
  const added = Object.entries(stamp.members).map(
    ([name, source]) => `${JSON.stringify(name)}:${values[source]}`,
  );
  const texts = messages.map((message) => insertMembers(message, names, added.join(',')));
  const encoder = new TextEncoder();
  const sizes = texts.map((text) => encoder.encode(text).byteLength);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  // The members of a thousand short messages could make the entry larger than an item of DynamoDB may be.
  if (total > MAX_REQUEST_BYTES)
    throw new Refusal(
      'too_large',
      `with what the hub adds a request may be ${MAX_REQUEST_BYTES} bytes, got ${total}`,
    );
  for (const size of sizes) refuseLarge(size);
  return texts;
}

function insertMembers(message: string | Uint8Array, names: readonly string[], added: string): string {
  const value: unknown = typeof message === 'string' ? JSON.parse(message) : undefined;
  if (typeof message !== 'string' || typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal(
      'reserved_member',
      `on this channel a message is a JSON object, to which the hub adds ${names.join(', ')}`,
    );
  const own = names.find((name) => Object.hasOwn(value, name));
  if (own !== undefined)
    throw new Refusal('reserved_member', `on this channel the hub itself sets the member "${own}"`);
  const isEmpty = Object.keys(value).length === 0;
  return `{${added}${isEmpty ? '' : ','}${message.slice(1)}`;
}

/** Returns the elements of a top-level array, which is a batch (Durable Streams §9.1.2). Any other JSON is one message. */
function splitJson(text: string): string[] {
  try {
    JSON.parse(text);
  } catch {
    // The message of the parser quotes the body, which must not get into the log.
    throw new Refusal('bad_json', 'the body is not valid JSON');
  }
  const trimmed = text.trim();
  return trimmed.startsWith('[') ? elementsOf(trimmed) : [trimmed];
}

/** Returns the raw text of each element of a valid JSON array. */
export function elementsOf(array: string): string[] {
  const elements: string[] = [];
  let depth = 0;
  let start = 1;
  for (let at = 0; at < array.length; at++) {
    const character = array[at];
    if (character === '"') at = endOfString(array, at);
    else if (character === '[' || character === '{') depth++;
    else if (character === ']' || character === '}') depth--;
    if ((character === ',' && depth === 1) || depth === 0) {
      elements.push(array.slice(start, at).trim());
      start = at + 1;
    }
  }
  return elements.length === 1 && elements[0] === '' ? [] : elements;
}

/**
 * Returns the raw text of a member of a valid JSON object; `''` if there is none. Of members with the same name it takes the last, as
 * parsers do.
 */
export function memberText(object: string, name: string): string {
  // A member is a string, a colon and a value: the elements of the object without its braces, at the same commas.
  const members = elementsOf(`[${object.trim().slice(1, -1)}]`);
  const texts = members.map((member) => {
    const end = endOfString(member, 0);
    return {
      name: JSON.parse(member.slice(0, end + 1)),
      text: member.slice(member.indexOf(':', end) + 1).trim(),
    };
  });
  return texts.findLast((member) => member.name === name)?.text ?? '';
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

/** Returns the name of the JSON member that holds messages of a content type: JSON as it is, text, or bytes in base64. */
export function bodyKindOf(contentType: string): 'messages' | 'text' | 'base64' {
  if (isJson(contentType)) return 'messages';
  return mediaType(contentType).startsWith('text/') ? 'text' : 'base64';
}

/** Keeps a byte order mark at the beginning, which is part of the message. */
const TEXT = new TextDecoder('utf-8', { ignoreBOM: true });

/** Returns the JSON text of a message, as frames and answers contain it. */
export function wireText(contentType: string, message: string | Uint8Array): string {
  if (typeof message === 'string') return message;
  if (bodyKindOf(contentType) === 'text') return JSON.stringify(TEXT.decode(message));
  return `"${btoa(Array.from(message, (byte) => String.fromCharCode(byte)).join(''))}"`;
}

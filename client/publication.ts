/**
 * What is published, as it was handed over: written down at once, so that it is the same on every path and each time it
 * is sent, also when the caller changes its objects meanwhile.
 * @module
 */
import { isChannelName } from '../protocol/channel-name.ts';
import { MAX_IDEMPOTENCY_KEY_LENGTH, MAX_REQUEST_BYTES } from '../protocol/limits.ts';
import { TidingsError } from './errors.ts';

export interface Publication {
  readonly channel: string;
  /** The list of messages as JSON text. */
  readonly messages: string;
  /** The Idempotency-Key (PROTOCOL.md §4.4). */
  readonly key: string;
}

/**
 * HTTP drops spaces around a header's value, and a socket does not: the hub would take them for two keys.
 * https://www.rfc-editor.org/rfc/rfc9110#section-5.5
 */
const KEY = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;

/**
 * Writes down what is published.
 * @throws TidingsError what the hub would refuse: `bad_channel`, `bad_request` for the key, `too_large`
 * @throws TypeError for messages that are no list, or that JSON cannot carry
 */
export function publicationOf(channel: string, messages: readonly unknown[], key: string): Publication {
  if (!isChannelName(channel)) throw new TidingsError('bad_channel', `no channel is named "${channel}"`);
  if (typeof key !== 'string' || !KEY.test(key) || key.length > MAX_IDEMPOTENCY_KEY_LENGTH)
    throw new TidingsError(
      'bad_request',
      `key must be 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} printable ASCII characters, without a space at either end`,
    );
  if (!Array.isArray(messages))
    throw new TypeError('messages must be a list, also for one message: publish(channel, [message])');
  // The gateway puts U+FFFD in the place of what is not UTF-8, so the hub takes it as an escape alone (PROTOCOL.md §4).
  const text = `[${Array.from(messages, textOf).join(',')}]`.replaceAll('\ufffd', '\\ufffd');
  const bytes = new TextEncoder().encode(text).byteLength;
  // The platform cuts or refuses what is much larger, in ways that differ by path.
  if (bytes > MAX_REQUEST_BYTES)
    throw new TidingsError(
      'too_large',
      `the messages have ${bytes} bytes, at most ${MAX_REQUEST_BYTES} are allowed`,
    );
  return { channel, messages: text, key };
}

/** @throws TypeError for a BigInt, a circle, undefined, a function or a symbol */
function textOf(message: unknown, at: number): string {
  const text: string | undefined = JSON.stringify(message);
  if (text === undefined) throw new TypeError(`message ${at} is ${typeof message}, which JSON cannot carry`);
  return text;
}

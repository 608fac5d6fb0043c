/**
 * News: what the push tells a process that holds requests of a channel. It carries the entry if that is small. Then the requests that
 * wait for it are answered without a read.
 * @module
 */
import { FRAME_BYTES } from '../../../protocol/limits.ts';
import { formatOffset, parseOffset } from '../../../protocol/offset.ts';
import type { Messages } from '../log/entry.ts';

/** An entry that was published. It is in the log already: its hint was sent after its write. */
export interface NewEntry {
  /** The stream of the channel to which it was published. */
  readonly streamId: string;
  /** Its slot. */
  readonly slot: number;
  /** Time at which it was written, in milliseconds since 1970. */
  readonly time: number;
  /** True if it closed the channel. */
  readonly closed: boolean;
  readonly messages: Messages;
}

/** Says that a channel has grown. It may be lost, doubled or late without harm. */
export interface News {
  readonly channel: string;
  /** The slot after the last one that is new. */
  readonly next: number;
  /** True if the channel was closed there. */
  readonly closed: boolean;
  /** The entry in the last slot; undefined if it has to be read. */
  readonly entry: NewEntry | undefined;
}

/**
 * Returns the news as text. An entry that does not fit into one frame that API Gateway bills is left out. A message is written as a
 * JSON string and not as JSON, because a reader must get the text that was published, byte by byte.
 */
export function newsText({ channel, next, closed, entry }: News): string {
  const grown = { type: 'news', channel, next: formatOffset({ entry: next, index: 0 }), closed };
  if (!entry) return JSON.stringify(grown);
  const messages = entry.messages.map((message) =>
    typeof message === 'string' ? message : { base64: base64Of(message) },
  );
  const text = JSON.stringify({ ...grown, streamId: entry.streamId, time: entry.time, messages });
  return new TextEncoder().encode(text).byteLength <= FRAME_BYTES ? text : JSON.stringify(grown);
}

/** Returns the news in a frame; undefined for any other frame. A frame with a part that is not understood has no entry. */
export function parseNews(frame: Readonly<Record<string, unknown>>): News | undefined {
  const { type, channel, closed, streamId, time } = frame;
  const next = typeof frame.next === 'string' ? parseOffset(frame.next)?.entry : undefined;
  if (type !== 'news' || typeof channel !== 'string' || typeof closed !== 'boolean' || next === undefined)
    return undefined;
  const messages = Array.isArray(frame.messages) ? frame.messages.map(messageOf) : [];
  const known = messages.filter((message) => message !== undefined);
  const isWhole = known.length > 0 && known.length === messages.length;
  if (!isWhole || typeof streamId !== 'string' || typeof time !== 'number')
    return { channel, next, closed, entry: undefined };
  return { channel, next, closed, entry: { streamId, slot: next - 1, time, closed, messages: known } };
}

function messageOf(value: unknown): string | Uint8Array | undefined {
  if (typeof value === 'string') return value;
  const isBytes = typeof value === 'object' && value !== null && 'base64' in value;
  return isBytes && typeof value.base64 === 'string' ? bytesOf(value.base64) : undefined;
}

const base64Of = (bytes: Uint8Array): string =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));

const bytesOf = (base64: string): Uint8Array =>
  Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

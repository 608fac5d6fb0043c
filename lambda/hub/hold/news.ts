/**
 * News: what the push tells a process that holds requests of a channel. It carries the entry if that is small. Then the requests that
 * wait for it are answered without a read.
 * @module
 */
import { FRAME_BYTES } from '../../../protocol/limits.ts';
import type { HintedEntry } from '../log/entry.ts';

/** An entry that was published. It is in the log already: its hint was sent after its write. */
export type NewEntry = Omit<HintedEntry, 'contentType'>;

/** Says that a channel has grown. It may be lost, doubled or late without harm. */
export interface News {
  /** Name of the channel. */
  readonly channel: string;
  /** The slot after the last one that is new. */
  readonly next: number;
  /** True if the channel was closed there. */
  readonly isClosing: boolean;
  /** The entry in the last slot; undefined if it has to be read. */
  readonly entry: NewEntry | undefined;
}

/**
 * Returns the news as text. An entry that does not fit into one frame that API Gateway bills is left out. A message is written as a
 * JSON string and not as JSON, because a reader must get the text that was published, byte by byte.
 */
export function newsText({ channel, next, isClosing, entry }: News): string {
  const grown = { type: 'news', channel, next, closed: isClosing };
  if (!entry) return JSON.stringify(grown);
  const messages = entry.messages.map((message) =>
    typeof message === 'string' ? message : { base64: base64Of(message) },
  );
  const text = JSON.stringify({ ...grown, streamId: entry.streamId, time: entry.time, messages });
  return new TextEncoder().encode(text).byteLength <= FRAME_BYTES ? text : JSON.stringify(grown);
}

/** Returns the news in a frame; undefined for any other frame. */
export function parseNews(frame: Readonly<Record<string, unknown>>): News | undefined {
  const { type, channel, next, closed, streamId, time } = frame;
  if (type !== 'news' || typeof channel !== 'string' || typeof next !== 'number') return undefined;
  const news = { channel, next, isClosing: closed === true };
  const messages = Array.isArray(frame.messages) ? frame.messages.map(messageOf) : [];
  const known = messages.filter((message) => message !== undefined);
  // A process of another version may send what this one does not know. Then the entry is read.
  const isWhole = known.length > 0 && known.length === messages.length;
  if (!isWhole || typeof streamId !== 'string' || typeof time !== 'number')
    return { ...news, entry: undefined };
  return { ...news, entry: { streamId, slot: next - 1, time, messages: known } };
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

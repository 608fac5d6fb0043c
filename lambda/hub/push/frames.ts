/**
 * Frames: messages of a channel as a socket gets them (PROTOCOL.md §12.2), as many in one as are billed as one.
 * @module
 */
import { FRAME_BYTES, MAX_POST_BYTES } from '../../../protocol/limits.ts';
import { formatOffset, isBefore, type Position } from '../../../protocol/offset.ts';
import type { Channel } from '../log/channel.ts';
import { kindOf, wireText } from '../log/messages.ts';
import type { ReadResult } from '../log/read-log.ts';

export interface Frame {
  readonly from: Position;
  readonly next: Position;
  readonly text: string;
  /** How many messages are in it. */
  readonly count: number;
}

export interface Packing {
  /** What was subscribed, named in the frame if it is not the channel itself. */
  readonly pattern: string;
  /** Nothing from here on is packed. */
  readonly limit: Position | undefined;
  /** True for a frame to each entry: then whoever has had any frames before can tell which of these came before. */
  readonly isByEntry: boolean;
  /** Frames at most. */
  readonly most: number;
}

export interface Packed {
  readonly frames: readonly Frame[];
  /** Where the last frame ends; where the first would begin if there is none. */
  readonly end: Position;
  /** True if everything that was read went into frames. */
  readonly isAll: boolean;
}

const encoder = new TextEncoder();
const bytesOf = (text: string): number => encoder.encode(text).byteLength;

/**
 * Packs what was read from `from` on. A frame ends right after its last message, at whatever follows. An entry that does
 * not fit into what is left of a frame begins the next, and one that does not fit into any is cut from its own beginning:
 * so the cuts within an entry are the same whatever came before it, and frames by entry fall between those of any other
 * packing.
 */
export function pack(channel: Channel, result: ReadResult, from: Position, packing: Packing): Packed {
  const { pattern, limit, isByEntry, most } = packing;
  const envelope = bytesOf(withClosed(frameText(channel, pattern, from, from, '')));
  const frames: Frame[] = [];
  const end = () => frames.at(-1)?.next ?? from;
  let batch: string[] = [];
  let bytes = envelope;
  let after = from;
  const close = (isOmitted = false): void => {
    if (batch.length === 0 && !isOmitted) return;
    const text = frameText(channel, pattern, end(), after, isOmitted ? undefined : batch.join(','));
    frames.push({ from: end(), next: after, text, count: batch.length });
    batch = [];
    bytes = envelope;
  };
  for (const { slot, first, messages } of result.entries) {
    const texts = messages.map((message) => wireText(channel.contentType, message));
    const sizes = texts.map((text) => bytesOf(text) + 1);
    if (isByEntry || bytes + sizes.reduce((sum, size) => sum + size, 0) > FRAME_BYTES) close();
    for (const [at, text] of texts.entries()) {
      const here = { entry: slot, index: first + at };
      const size = sizes[at] ?? 0;
      const isPast = limit !== undefined && !isBefore(here, limit);
      if (isPast || bytes + size > FRAME_BYTES) close();
      if (isPast || frames.length >= most) return { frames, end: end(), isAll: false };
      const isLast = at === texts.length - 1;
      after = isLast ? { entry: slot + 1, index: 0 } : { entry: slot, index: here.index + 1 };
      if (envelope + size > MAX_POST_BYTES) close(true);
      else {
        batch.push(text);
        bytes += size;
      }
    }
  }
  const isAll = batch.length === 0 || frames.length < most;
  if (isAll) close();
  return { frames, end: end(), isAll };
}

/** A frame of no message. */
export function emptyFrame(channel: Channel, pattern: string, at: Position): Frame {
  return { from: at, next: at, text: frameText(channel, pattern, at, at, ''), count: 0 };
}

/** Says with a frame that it is the end of a closed channel. */
export const withClosed = (text: string): string => `${text.slice(0, -1)},"closed":true}`;

/** The frame that says no more than that there is something. */
export function announcement(channel: string, next: Position): string {
  const offset = formatOffset(next);
  return `{"type":"messages","channel":"${channel}","from":"${offset}","next":"${offset}","omitted":true}`;
}

/**
 * Written by hand, since messages are kept as the very text that was published. No name or offset needs escaping.
 * @param batch the messages, joined by commas; undefined to leave them out
 */
function frameText(
  { name, contentType }: Channel,
  pattern: string,
  from: Position,
  next: Position,
  batch: string | undefined,
): string {
  const by = pattern === name ? '' : `,"pattern":"${pattern}"`;
  const messages = batch === undefined ? '"omitted":true' : `"${kindOf(contentType)}":[${batch}]`;
  return `{"type":"messages","channel":"${name}"${by},"from":"${formatOffset(from)}","next":"${formatOffset(next)}",${messages}}`;
}

/**
 * Frames: messages of a channel as a socket gets them (PROTOCOL.md §12.2). A frame is filled up to 32 KB, the unit that API
 * Gateway bills.
 * @module
 */
import { FRAME_BYTES, MAX_POST_BYTES } from '../../../protocol/limits.ts';
import { formatOffset, isBefore, type Position } from '../../../protocol/offset.ts';
import type { Channel } from '../log/channel.ts';
import { bodyKindOf, wireText } from '../log/messages.ts';
import { positionAfter, type ReadResult } from '../log/read-log.ts';

/** One WebSocket message with messages of a channel. */
export interface Frame {
  /** Position of the first message. */
  readonly from: Position;
  /** Position after the last message. */
  readonly next: Position;
  /** The JSON text that is posted. */
  readonly text: string;
  /** Number of its messages. */
  readonly count: number;
}

/** The rules by which messages are packed into frames. */
export interface Packing {
  /** The pattern of the subscription. The frame names it if it is not the channel itself. */
  readonly pattern: string;
  /** Nothing from this position on is packed; undefined for no limit. */
  readonly limit: Position | undefined;
  /** True for one frame for each entry: a client that has had some of these messages can tell which. */
  readonly isByEntry: boolean;
  /** Highest number of frames. */
  readonly most: number;
}

/** What a frame says about its channel. */
export type FramedChannel = Pick<Channel, 'name' | 'contentType'>;

/** The frames that were packed. */
export interface Packed {
  /** In the order of their positions. */
  readonly frames: readonly Frame[];
  /** Position after the last frame; without a frame, the position at which the first would begin. */
  readonly end: Position;
  /** True if everything that was read is in the frames. */
  readonly isAll: boolean;
}

const encoder = new TextEncoder();
const bytesOf = (text: string): number => encoder.encode(text).byteLength;

/**
 * Packs what was read from `from` on into frames. A frame ends right after its last message. An entry that does not fit into the
 * rest of a frame begins the next frame. An entry that does not fit into one frame is cut from its own beginning on. So the cuts
 * within an entry do not depend on the entries before it, and a packing by entry cuts wherever any other packing cuts.
 */
export function pack(channel: FramedChannel, result: ReadResult, from: Position, packing: Packing): Packed {
  const { pattern, limit, isByEntry, most } = packing;
  const about = { channel, pattern, isConflated: result.isConflated === true };
  // No offset of the page is longer than that of its beginning.
  const envelope = bytesOf(withClosed(frameText(about, from, from, '')));
  const frames: Frame[] = [];
  const end = () => frames.at(-1)?.next ?? from;
  let batch: string[] = [];
  let bytes = envelope;
  let after = from;
  const close = (isOmitted = false): void => {
    if (batch.length === 0 && !isOmitted) return;
    const text = frameText(about, end(), after, isOmitted ? undefined : batch.join(','));
    frames.push({ from: end(), next: after, text, count: batch.length });
    batch = [];
    bytes = envelope;
  };
  for (const entry of result.entries) {
    const { slot, first, messages } = entry;
    const texts = messages.map((message) => wireText(channel.contentType, message));
    const sizes = texts.map((text) => bytesOf(text) + 1);
    if (isByEntry || bytes + sizes.reduce((sum, size) => sum + size, 0) > FRAME_BYTES) close();
    for (const [at, text] of texts.entries()) {
      const here = { entry: slot, index: first + at };
      const size = sizes[at] ?? 0;
      const isPast = limit !== undefined && !isBefore(here, limit);
      if (isPast || bytes + size > FRAME_BYTES) close();
      if (isPast || frames.length >= most) return { frames, end: end(), isAll: false };
      after = positionAfter(entry, at);
      if (envelope + size > MAX_POST_BYTES) close(true);
      else {
        batch.push(text);
        bytes += size;
      }
    }
  }
  const isAll = batch.length === 0 || frames.length < most;
  if (isAll) close();
  // A read of the newest messages that finds none still brings its reader to the end of the read.
  if (isAll && from.foldEnd && frames.length === 0)
    frames.push(emptyFrame(channel, pattern, from, result.next));
  return { frames, end: end(), isAll };
}

/** Returns a frame without a message. */
export function emptyFrame(
  channel: FramedChannel,
  pattern: string,
  from: Position,
  next: Position = from,
): Frame {
  return { from, next, text: frameText({ channel, pattern, isConflated: false }, from, next, ''), count: 0 };
}

/** Returns the text of a frame with the member that says that the channel is closed. */
export const withClosed = (text: string): string => `${text.slice(0, -1)},"closed":true}`;

/** What a frame is about. */
interface FrameSubject {
  readonly channel: FramedChannel;
  readonly pattern: string;
  /** True if messages between `from` and `next` were left out. */
  readonly isConflated: boolean;
}

/**
 * Joins the text by hand, since messages are kept as the text that was published. No name and no offset needs escaping.
 * @param batch the messages, joined by commas; undefined to leave them out
 */
function frameText(
  { channel: { name, contentType }, pattern, isConflated }: FrameSubject,
  from: Position,
  next: Position,
  batch: string | undefined,
): string {
  const by = pattern === name ? '' : `,"pattern":"${pattern}"`;
  const range = `"from":"${formatOffset(from)}","next":"${formatOffset(next)}"${isConflated ? ',"conflated":true' : ''}`;
  const messages = batch === undefined ? '"omitted":true' : `"${bodyKindOf(contentType)}":[${batch}]`;
  return `{"type":"messages","channel":"${name}"${by},${range},${messages}}`;
}

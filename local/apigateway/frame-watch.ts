/**
 * Reads the headers of WebSocket frames. API Gateway limits the size of a frame, and `ws` reports only whole messages.
 * @see https://datatracker.ietf.org/doc/html/rfc6455#section-5.2
 * @module
 */
import type { Socket } from 'node:net';

/** The watch of one connection. */
export interface FrameWatch {
  /** Must be called once for each message, in order. Returns false for the message with the large frame, and for all later ones. */
  admits(): boolean;
}

const FINAL = 0x80;
const MASKED = 0x80;
const OPCODE = 0x0f;
const LENGTH = 0x7f;
/** Frames of messages (continuation, text and binary) have lower opcodes than close, ping and pong. */
const FIRST_CONTROL_OPCODE = 0x08;
const MASK_BYTES = 4;

/** With a length of 126 or 127 the real length follows in the next bytes. */
const SHORT_HEAD = 2;
const MEDIUM = { mark: 126, head: 4 };
const LONG = { mark: 127, head: 10 };

/**
 * Watches a socket that `ws` reads.
 * @param maxBytes payload of one frame, at most
 * @param onTooLarge is called once, when the header of a larger frame has arrived
 */
export function watchFrames(socket: Socket, maxBytes: number, onTooLarge: () => void): FrameWatch {
  const head = Buffer.alloc(LONG.head);
  let filled = 0;
  let toSkip = 0;
  let ended = 0; // messages whose last frame has begun
  let admitted = 0;
  let refused = Number.POSITIVE_INFINITY;

  function frame(): void {
    const first = head.readUInt8(0);
    const length = payloadLength(head);
    toSkip = length + ((head.readUInt8(1) & MASKED) === 0 ? 0 : MASK_BYTES);
    filled = 0;
    if ((first & OPCODE) >= FIRST_CONTROL_OPCODE) return;
    if (length > maxBytes && refused > ended) {
      refused = ended;
      // Later, because `ws` has not read the earlier messages of this chunk yet.
      process.nextTick(onTooLarge);
    }
    if ((first & FINAL) !== 0) ended += 1;
  }

  // Before the listener of `ws`, which changes the chunk when it removes the mask.
  socket.prependListener('data', (chunk: Buffer) => {
    let at = 0;
    while (at < chunk.length) {
      const skipped = Math.min(toSkip, chunk.length - at);
      toSkip -= skipped;
      at += skipped;
      if (at === chunk.length) return;
      head.writeUInt8(chunk.readUInt8(at), filled);
      filled += 1;
      at += 1;
      if (filled >= SHORT_HEAD && filled === headLength(head)) frame();
    }
  });
  return {
    admits() {
      admitted += 1;
      return admitted <= refused;
    },
  };
}

function headLength(head: Buffer): number {
  const mark = head.readUInt8(1) & LENGTH;
  if (mark === MEDIUM.mark) return MEDIUM.head;
  return mark === LONG.mark ? LONG.head : SHORT_HEAD;
}

function payloadLength(head: Buffer): number {
  const mark = head.readUInt8(1) & LENGTH;
  if (mark === MEDIUM.mark) return head.readUInt16BE(SHORT_HEAD);
  return mark === LONG.mark ? Number(head.readBigUInt64BE(SHORT_HEAD)) : mark;
}

/**
 * Reads the heads of WebSocket frames as they come in: `ws` tells of whole messages only, and API Gateway limits each
 * frame too.
 * @see https://datatracker.ietf.org/doc/html/rfc6455#section-5.2
 * @module
 */
import type { Socket } from 'node:net';

export interface FrameWatch {
  /** To be asked once for each message, in their order: false for the one with the large frame, and all after it. */
  admits(): boolean;
}

const FINAL = 0x80;
const MASKED = 0x80;
const OPCODE = 0x0f;
const LENGTH = 0x7f;
/** Continuation, text and binary are below; close, ping and pong are not part of a message. */
const FIRST_CONTROL_OPCODE = 0x08;
const MASK_BYTES = 4;

/** A length of 126 or 127 says that the length itself follows, in so many bytes. */
const SHORT_HEAD = 2;
const MEDIUM = { mark: 126, head: 4 };
const LONG = { mark: 127, head: 10 };

/** Watches a socket that `ws` reads; `onTooLarge` is called once, as soon as the head of a large frame is there. */
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
      // Not at once: messages before it in the same chunk have not been read by then.
      process.nextTick(onTooLarge);
    }
    if ((first & FINAL) !== 0) ended += 1;
  }

  // Before the listener of `ws`, which unmasks the chunk in place.
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

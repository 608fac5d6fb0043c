/**
 * What is kept of an answer: little, of however much there is.
 * @module
 */
import { KEPT_ANSWER_BYTES, MAX_ANSWER_BYTES } from '../../../protocol/limits.ts';

export interface Excerpt {
  /** Takes the next bytes. False if there are more than are read. */
  take(chunk: Uint8Array): boolean;
  /** The first KEPT_ANSWER_BYTES as text that can be shown and logged. */
  text(): string;
}

export function excerpt(): Excerpt {
  const kept: Uint8Array[] = [];
  let size = 0;
  return {
    take(chunk) {
      // A copy: a part of the chunk would hold the memory of all of it.
      if (size < KEPT_ANSWER_BYTES) kept.push(Uint8Array.from(chunk.subarray(0, KEPT_ANSWER_BYTES - size)));
      size += chunk.byteLength;
      return size <= MAX_ANSWER_BYTES;
    },
    text: () => legible(Buffer.concat(kept)),
  };
}

/** Control characters would let an answer rewrite the terminal of whoever reads the log. */
function legible(bytes: Uint8Array): string {
  // As of a stream: the last character may have been cut in two, and is left out then.
  const text = new TextDecoder().decode(bytes, { stream: true });
  return text.replaceAll('\r\n', '\n').replace(/(?![\n\t])\p{Cc}/gu, '\ufffd');
}

/**
 * The excerpt of an answer that the log of deliveries shows.
 * @module
 */
import { KEPT_ANSWER_BYTES, MAX_ANSWER_BYTES } from '../../../protocol/limits.ts';

/** Collects the first bytes of an answer, and counts all of them. */
export interface Excerpt {
  /** Takes the next bytes. Returns false after more than MAX_ANSWER_BYTES. */
  take(chunk: Uint8Array): boolean;
  /** Returns the first KEPT_ANSWER_BYTES as text that is safe to show and to log. */
  text(): string;
}

/** Returns an empty excerpt. */
export function excerpt(): Excerpt {
  const kept: Uint8Array[] = [];
  let size = 0;
  return {
    take(chunk) {
      // A copy, because a view of the chunk would hold the memory of the whole chunk.
      if (size < KEPT_ANSWER_BYTES) kept.push(Uint8Array.from(chunk.subarray(0, KEPT_ANSWER_BYTES - size)));
      size += chunk.byteLength;
      return size <= MAX_ANSWER_BYTES;
    },
    text: () => legible(Buffer.concat(kept)),
  };
}

/** Replaces control characters: with them, an answer could rewrite the terminal of a person who reads the log. */
function legible(bytes: Uint8Array): string {
  // Decoded as a stream, so that a last character that was cut in two is left out.
  const text = new TextDecoder().decode(bytes, { stream: true });
  return text.replaceAll('\r\n', '\n').replace(/(?![\n\t])\p{Cc}/gu, '\ufffd');
}

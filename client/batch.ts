/**
 * Batches: what a subscriber gets, whichever way it came.
 * @module
 */

/** Messages of one channel that follow each other. */
export interface Batch {
  readonly channel: string;
  /**
   * Parsed JSON values, one for each message. On channels of another content type strings: one for each message over a
   * WebSocket and on a stream, but what was read at once in one string over HTTP, where bytes simply follow each other
   * (PROTOCOL.md §5).
   */
  readonly messages: readonly unknown[];
  /** What the messages are: parsed JSON, text (of `text/*`), or the base64 of any other type. */
  readonly encoding: 'json' | 'text' | 'base64';
  /** The offset that they follow; `-1` or `now` if that is how the reading began. */
  readonly from: string;
  /** The offset after them: store it with what they caused, and come again with it. */
  readonly next: string;
  /** True if this is the end of a channel that is closed for good; the subscription is over then. */
  readonly closed: boolean;
}

/** True for `-1` and `now`: where reading begins, but no place in a channel yet. */
export const isUnsettled = (offset: string): boolean => offset === '-1' || offset === 'now';

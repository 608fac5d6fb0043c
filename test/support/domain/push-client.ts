/**
 * A client on a socket, in tests of the push: it checks every frame by the gap rule (PROTOCOL.md §12.3).
 * @module
 */
import type { Connection, Posted } from '../../../lambda/hub/push/push-ports.ts';

/** A client that follows the gap rule, and records what breaks it. */
export interface Client {
  readonly id: string;
  readonly connection: Connection;
  /** Messages by channel, in the order in which they came. */
  readonly taken: Map<string, unknown[]>;
  readonly next: Map<string, string>;
  readonly frames: Record<string, unknown>[];
  /** Frames that did not follow the one before. */
  readonly breaks: string[];
  dropped: number;
  isGone: boolean;
  /** Time at which the hub ended it, by the clock of the world. */
  closedAt?: number;
  /** Replaces the world's `posted` for this client. */
  posted?: (() => Posted) | undefined;
  /** Additional time of its next post, in milliseconds. */
  slowMs?: number;
}

/** A frame as a client parses it. */
export interface Frame {
  readonly type: string;
  readonly channel: string;
  readonly pattern?: string;
  readonly from: string;
  readonly next: string;
  readonly messages?: readonly unknown[];
  readonly text?: readonly unknown[];
  readonly base64?: readonly unknown[];
}

/** What a test does with frames. */
export interface FrameRules {
  /** Called for each frame that arrives. */
  onFrame: (client: Client, frame: Frame) => void;
  /** Returns true if a client accepts a frame that does not begin at its offset `last`. */
  mayJump: (channel: string, last: string, frame: Frame) => boolean;
}

/** Gives a client the text of a frame. It follows the gap rule (PROTOCOL.md §12.3). */
export function receive(w: FrameRules, client: Client, text: string): void {
  const frame = JSON.parse(text);
  client.frames.push(frame);
  if (frame.type !== 'messages') return;
  w.onFrame(client, frame);
  const key = frame.pattern ? `${frame.pattern} ${frame.channel}` : frame.channel;
  const last = client.next.get(key);
  if (last !== undefined && frame.next <= last && frame.from !== last) {
    client.dropped++;
    return;
  }
  if (last !== undefined && frame.from !== last && !w.mayJump(frame.channel, last, frame)) {
    client.breaks.push(`${key} has ${last}, got ${frame.from} to ${frame.next}`);
    return;
  }
  client.next.set(key, frame.next);
  const messages = client.taken.get(frame.channel) ?? [];
  messages.push(...(frame.messages ?? frame.text ?? frame.base64 ?? ['omitted']));
  client.taken.set(frame.channel, messages);
}

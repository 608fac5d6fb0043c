/**
 * Taking frames by the gap rule (PROTOCOL.md §12.3).
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Heard, Socket } from './socket.ts';
import { BUSY_ATTEMPTS, BUSY_MS } from './wire.ts';

export interface Course {
  readonly channel: string;
  /** Where to begin: the offset of `subscribed`; undefined for the first frame of a pattern. */
  readonly from?: string | undefined;
  /** What was subscribed, if not the channel itself. */
  readonly pattern?: string;
}

export interface Taken {
  readonly messages: readonly unknown[];
  readonly frames: readonly Heard[];
  /** Where the last frame ended. */
  readonly next: string;
}

export const contentOf = ({ messages, text, base64 }: Heard): readonly unknown[] =>
  messages ?? text ?? base64 ?? [];

/** True for frames that a subscription brings, whatever they carry. */
export const isOf =
  ({ channel, pattern }: Course) =>
  (frame: Heard): boolean =>
    frame.type === 'messages' && frame.channel === channel && frame.pattern === pattern;

/** What comes until there are so many messages. @throws Error for a gap, or for more than that */
export async function follow(socket: Socket, course: Course, count: number): Promise<Taken> {
  const messages: unknown[] = [];
  const frames: Heard[] = [];
  let mine = course.from;
  while (messages.length < count) {
    const frame = await socket.next(isOf(course));
    const { from = '', next = '' } = frame;
    mine ??= from;
    if (from !== mine && next <= mine) continue;
    if (from !== mine) throw new Error(`gap: at ${mine}, got ${from} to ${next}`);
    messages.push(...contentOf(frame));
    frames.push(frame);
    mine = next;
  }
  if (messages.length > count) throw new Error(`expected ${count} messages, got ${messages.length}`);
  return { messages, frames, next: mine ?? '' };
}

/** Subscribes, and is subscribed. Asks again while the store is busy. Answers the offset that what comes begins at. */
export async function subscribe(
  socket: Socket,
  channel: string,
  offset?: string,
  attempt = 1,
): Promise<string> {
  const answer = await socket.ask({
    action: 'subscribe',
    channel,
    ...(offset === undefined ? {} : { offset }),
  });
  if (answer.code === 'unavailable' && attempt < BUSY_ATTEMPTS) {
    await wait(BUSY_MS);
    return await subscribe(socket, channel, offset, attempt + 1);
  }
  if (answer.type !== 'subscribed' || answer.channel !== channel)
    throw new Error(`not subscribed: ${JSON.stringify(answer)}`);
  return answer.offset ?? '';
}

/**
 * Ephemeral messages over the wire (PROTOCOL.md §4.7).
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Heard } from './socket.ts';
import { type Caller, throughBusy } from './wire.ts';

/** The headers of an ephemeral publish. */
export const EPHEMERAL = { 'Content-Type': 'application/json', 'Tidings-Ephemeral': 'true' };

/** The pause before messages are sent again that have not arrived, in milliseconds. */
const AGAIN_MS = 250;

/** Sends a body as ephemeral messages. @param more headers in addition to EPHEMERAL, or in place of them */
export const post = (
  caller: Caller,
  channel: string,
  body: string,
  more: Record<string, string> = {},
): Promise<Response> =>
  throughBusy(() =>
    caller.request(`/channels/${channel}`, { method: 'POST', headers: { ...EPHEMERAL, ...more }, body }),
  );

/** Sends messages over HTTP. They are accepted. */
export async function send(caller: Caller, channel: string, ...messages: readonly unknown[]): Promise<void> {
  const response = await post(caller, channel, JSON.stringify(messages));
  expect([response.status, await response.text()]).toEqual([202, '']);
  expect(response.headers.get('Stream-Next-Offset')).toBeNull();
}

/** Sends again and again until something arrives: each message may be lost. */
export async function sendUntil<T>(arrives: Promise<T>, again: () => Promise<unknown>): Promise<T> {
  let isOver = false;
  const end = (): void => {
    isOver = true;
  };
  arrives.then(end, end);
  while (!isOver) {
    await again();
    await wait(AGAIN_MS);
  }
  return await arrives;
}

/** Returns true for a frame with ephemeral messages. @param pattern of the subscription, if it is not the channel */
export const isEphemeral =
  (channel: string, pattern?: string) =>
  (frame: Heard): boolean =>
    frame.type === 'ephemeral' && frame.channel === channel && frame.pattern === pattern;

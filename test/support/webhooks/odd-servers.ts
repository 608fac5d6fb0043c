/**
 * Servers on the loopback that misbehave, and senders that call them.
 * @module
 */
import type { Socket } from 'node:net';
import { expect } from 'vitest';
import { type SenderSettings, senderTo } from '../../../lambda/webhook/outbound/send-webhook.ts';
import { loopback } from '../network/loopback.ts';
import { requestTo } from './webhook-request.ts';

/** The time limit of `hurried`, in milliseconds. */
export const DEADLINE_MS = 200;

/** Returns a sender that may call the loopback, with a time limit of 5 s. */
export const sender = (more: Partial<SenderSettings> = {}) =>
  senderTo({ rules: { isInsecureAllowed: true, ownHosts: [] }, deadlineMs: 5_000, ...more });

/** Returns the same sender with a short time limit. */
export const hurried = (more: Partial<SenderSettings> = {}) => sender({ deadlineMs: DEADLINE_MS, ...more });

/** Returns the result of a request that failed. */
export const error = (kind: string) => ({ kind: 'error', error: kind, ms: expect.any(Number) });

/** Starts a server that acts when a request has come. */
export const onceAsked = (act: (socket: Socket) => void) =>
  loopback((socket) => void socket.once('data', () => act(socket)));

/** Starts a server that answers every request with these bytes. */
export const saying = (text: string | Uint8Array) => onceAsked((socket) => void socket.end(text));

/** Posts a message to a server. */
export const postTo = async ({ port }: { port: number }, scheme = 'http', from = sender()) =>
  await from.post(requestTo(`${scheme}://localhost:${port}/`));

/** Sends some bytes again and again until the socket is closed. */
export function drip(socket: Socket, first: string, then = 'a'): void {
  socket.write(first);
  const timer = setInterval(() => socket.write(then), 10);
  socket.on('close', () => clearInterval(timer));
}

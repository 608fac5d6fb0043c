/**
 * Publishing and reading JSON in tests of the domain, in one line each.
 * @module
 */
import { expect } from 'vitest';
import { type AppendRequest, append } from '../../../lambda/hub/log/append.ts';
import { find } from '../../../lambda/hub/log/lifecycle.ts';
import type { Publishing } from '../../../lambda/hub/log/log-ports.ts';
import { type LogStart, type ReadResult, read } from '../../../lambda/hub/log/read-log.ts';
import { type Position, parseOffset } from '../../../protocol/offset.ts';
import type { MemoryLog } from './memory-log.ts';

export const CHANNEL = 'chat/room1';

/** A request to publish the messages, as a handler parses it. */
export function requestOf(messages: readonly unknown[], more: Partial<AppendRequest> = {}): AppendRequest {
  const body = Buffer.from(messages.length === 0 ? '' : JSON.stringify(messages));
  const contentType = messages.length === 0 ? undefined : 'application/json';
  return { channel: CHANNEL, contentType, seq: undefined, close: false, producer: undefined, body, ...more };
}

export async function publish(log: Publishing, ...messages: readonly unknown[]): Promise<Position> {
  const { nextOffset } = await append(log, requestOf(messages));
  const position = parseOffset(nextOffset);
  if (!position) throw new Error(`not an offset: ${nextOffset}`);
  return position;
}

export async function readFrom(log: Publishing, from: LogStart): Promise<ReadResult> {
  return await read(log, await find(log, CHANNEL), from);
}

export const values = (result: ReadResult): unknown[] =>
  result.messages.map((message) => JSON.parse(String(message)));

/** Publishes, and dies between the two writes. */
export async function losePublish(log: MemoryLog): Promise<void> {
  log.hook = (moment) => {
    if (moment === 'before entries.put') throw new Error('crash');
  };
  await expect(publish(log, 'lost')).rejects.toThrow('crash');
  log.hook = () => {};
}

/** Returns the code of the refusal with which a promise ends; 'done' without one. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => 'done',
    (error: { code?: unknown }) => error.code ?? error,
  );
}

/**
 * Publishing and reading JSON in tests of the domain, in one line each.
 * @module
 */
import { append } from '../../lambda/hub/append.ts';
import { find } from '../../lambda/hub/lifecycle.ts';
import type { Log } from '../../lambda/hub/ports.ts';
import { type From, type ReadResult, read } from '../../lambda/hub/read.ts';
import { type Position, parseOffset } from '../../protocol/offset.ts';

export const CHANNEL = 'chat/room1';

export async function publish(log: Log, ...messages: readonly unknown[]): Promise<Position> {
  const body = Buffer.from(JSON.stringify(messages));
  const { nextOffset } = await append(log, {
    channel: CHANNEL,
    contentType: 'application/json',
    seq: undefined,
    body,
  });
  const position = parseOffset(nextOffset);
  if (!position) throw new Error(`not an offset: ${nextOffset}`);
  return position;
}

export async function readFrom(log: Log, from: From): Promise<ReadResult> {
  return await read(log, await find(log, CHANNEL), from);
}

export const values = (result: ReadResult): unknown[] =>
  result.messages.map((message) => JSON.parse(String(message)));

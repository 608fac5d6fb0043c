/**
 * A keyed channel in memory, with the truth to compare with: all that was ever written, also what has left the log.
 * @module
 */
import { recent } from '../../../lambda/hub/bounded-map.ts';
import type { FoldTask } from '../../../lambda/hub/keyed/snapshot-ports.ts';
import { append } from '../../../lambda/hub/log/append.ts';
import { create } from '../../../lambda/hub/log/lifecycle.ts';
import type { Publishing } from '../../../lambda/hub/log/log-ports.ts';
import { isBefore, type Position } from '../../../protocol/offset.ts';
import { CHANNEL, requestOf } from './json-log.ts';
import { type Hook, hooked, type MemoryLog } from './memory-log.ts';

export interface Value {
  readonly k: string;
  readonly n: number;
  readonly headers?: { readonly operation: string };
}

/** Creates the channel. @returns its stream */
export async function createKeyed(log: Publishing): Promise<string> {
  const { channel } = await create(log, {
    channel: CHANNEL,
    contentType: 'application/json',
    streamKey: '/k',
    ttlSeconds: undefined,
    expiresAt: undefined,
    close: false,
    body: new Uint8Array(),
  });
  return channel.streamId;
}

export const keyValue = (k: string, n: number, isDelete = false): Value =>
  isDelete ? { k, n, headers: { operation: 'delete' } } : { k, n };

/** Returns the same log for one process, with a hook of its own, and nothing remembered. */
export function processOf(log: MemoryLog, hook: Hook): Publishing {
  return {
    ...log,
    channels: hooked('channels', log.channels, () => hook),
    entries: hooked('entries', log.entries, () => hook),
    keys: hooked('keys', log.keys, () => hook),
    snapshots: hooked('snapshots', log.snapshots, () => hook),
    streamKeys: recent(10),
  };
}

export const publishValues = (log: Publishing, ...values: readonly Value[]) => append(log, requestOf(values));

/** Adds messages to what a reader has, in their order. */
export function take(has: Map<string, Value>, messages: readonly (string | Uint8Array)[]): void {
  for (const message of messages) {
    const value: Value = JSON.parse(String(message));
    has.delete(value.k);
    if (value.headers?.operation !== 'delete') has.set(value.k, value);
  }
}

/** The fold of everything in a stream before a position, in the order of the log. */
export function truth(log: MemoryLog, streamId: string, end: Position): Map<string, Value> {
  const has = new Map<string, Value>();
  for (const entry of [...log.slots(streamId).values()].sort((a, b) => a.slot - b.slot))
    take(
      has,
      entry.messages.filter((_, index) => isBefore({ entry: entry.slot, index }, end)),
    );
  return has;
}

/** A queue of folds that only remembers what was sent. */
export function foldTasks() {
  const tasks: FoldTask[] = [];
  const send = async (task: FoldTask) => void tasks.push(task);
  return { tasks, send };
}

/**
 * Deletes keyed channels: the snapshot goes with its channel (PROTOCOL.md §6).
 * @module
 */
import { isAlive } from '../log/channel.ts';
import { remove } from '../log/lifecycle.ts';
import type { Log } from '../log/log-ports.ts';
import { type Folding, removeSnapshot } from './fold-channel.ts';
import type { RemovedTask } from './snapshot-ports.ts';

/**
 * When to look again at a channel that is still there, in milliseconds. The client may give up the deletion of the channel, and DynamoDB
 * may carry it out some seconds later.
 */
const LOOK_AGAIN_MS = 10_000;

/** Looks at a channel that was to be deleted and is still there. After that the deletion has failed, and its caller was told so. */
const MAX_TRIES = 3;

/**
 * Deletes a channel, and asks for the removal of its snapshot. It asks first: a process that dies between the two has deleted nothing,
 * and the task finds the channel.
 * @throws Refusal channel_not_found, unavailable
 */
export async function removeWithSnapshot(
  log: Log,
  ask: (task: RemovedTask) => Promise<void>,
  name: string,
): Promise<void> {
  await remove(log, name, async ({ streamId, streamKey }) => {
    if (streamKey !== undefined) await ask({ kind: 'removed', channel: name, streamId, tries: 0 });
  });
}

/** Removes the snapshot of a channel that was deleted. @throws Refusal unavailable */
export async function onRemoved({ log, queue }: Folding, task: RemovedTask): Promise<void> {
  const channel = await log.channels.get(task.channel);
  const isThere = channel?.streamId === task.streamId && isAlive(channel, log.clock());
  if (!isThere) return await removeSnapshot(log, task.streamId);
  if (task.tries < MAX_TRIES) await queue.send({ ...task, tries: task.tries + 1 }, LOOK_AGAIN_MS);
}

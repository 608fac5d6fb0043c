/**
 * Hint: a channel may have grown; everyone who listens to it on a socket is to be served (PROTOCOL.md §12).
 * @module
 */
import { patternsOf } from '../../../protocol/channel-name.ts';
import type { Position } from '../../../protocol/offset.ts';
import { settleAll } from '../settle-all.ts';
import { announcement } from './frames.ts';
import type { Job, Push } from './push-ports.ts';
import { pushShard } from './push-shard.ts';

/** Says that a channel has grown up to an offset. It may be lost, doubled or late without harm. */
export interface Hint {
  readonly channel: string;
  readonly offset: Position;
  /** True if the channel was closed there. */
  readonly isClosing: boolean;
}

/** Serves those who listen by the channel's name and by every pattern that matches it. */
export async function onHint(push: Push, hint: Hint, until: number): Promise<void> {
  await settleAll([wakeWaiting(push, hint), pushAll(push, hint, until)]);
}

async function pushAll(push: Push, { channel, offset, isClosing }: Hint, until: number): Promise<void> {
  const known = await push.subscriptions.shardsOf(patternsOf(channel), push.log.clock());
  const shards = [...known].map(async ([pattern, count]) => {
    const shard = { channel, pattern, shard: 0 };
    if (count === 1) return await pushShard(push, { shard, offset, isClosing, until });
    // Many owners at once: each shard to a process of its own.
    const each = Array.from({ length: count }, (_, number) => ({ ...shard, shard: number }));
    await push.jobs.send(each, 0);
  });
  await settleAll(shards);
}

/** Serves one shard. */
export async function onJob(push: Push, { isGuard = false, ...shard }: Job, until: number): Promise<void> {
  await pushShard(push, { shard, offset: undefined, isClosing: false, isGuard, until });
}

/** Wakes the processes that hold readers of the channel: they look into the log themselves. */
async function wakeWaiting(push: Push, { channel, offset }: Hint): Promise<void> {
  const waiting = await push.waits.waiting(channel, push.log.clock());
  const frame = announcement(channel, offset);
  await settleAll(
    waiting.map(async (connection) => {
      if ((await push.poster.post(connection, frame)) === 'gone')
        await push.waits.remove(channel, connection);
    }),
  );
}

/**
 * Handles a hint: a channel may have grown, and everyone that listens to it on a socket is to be served (PROTOCOL.md §12).
 * @module
 */
import { patternsOf } from '../../../protocol/channel-name.ts';
import type { Position } from '../../../protocol/offset.ts';
import { newsText } from '../hold/news.ts';
import type { HintedEntry } from '../log/entry.ts';
import { settleAll } from '../settle-all.ts';
import { allWaiting, connectionOf } from '../waiting-names.ts';
import type { HintLookup, Job, Push, Waiting } from './push-ports.ts';
import { pushShard } from './push-shard.ts';

/** Says that a channel has grown up to an offset. It may be lost, doubled or late without harm. */
export interface Hint {
  /** The name of the channel. */
  readonly channel: string;
  /** The end of the channel when the hint was sent, or a later one. */
  readonly offset: Position;
  /** True if the channel was closed there. */
  readonly isClosing: boolean;
  /** The entry that ends at `offset`. The log stays the truth: only a receiver that has everything before it may use it. */
  readonly entry?: HintedEntry | undefined;
}

type Found = Awaited<ReturnType<HintLookup['find']>>;

/**
 * Serves the subscribers of the channel and of every pattern that matches it, and wakes held requests.
 * @param until time at which the process should have ended, in milliseconds since 1970
 */
export async function onHint(push: Push, hint: Hint, until: number): Promise<void> {
  const { channel } = hint;
  const { lookup, memory, log } = push;
  // Cursors of shards that had subscribers before come in the same call. They are not looked up for every pattern: most have none.
  const before = memory.patterns.get(channel) ?? [];
  const wanted = before.map((pattern) => ({ channel, pattern, shard: 0 }));
  const found = await lookup.find(channel, patternsOf(channel), wanted, log.clock());
  await settleAll([wakeWaiting(push, hint, found.waiting), pushAll(push, hint, before, found, until)]);
}

async function pushAll(
  push: Push,
  { channel, offset, isClosing, entry }: Hint,
  before: readonly string[],
  { patterns, cursors }: Found,
  until: number,
): Promise<void> {
  const single = [...patterns].flatMap(([pattern, { shards }]) => (shards === 1 ? [pattern] : []));
  if (single.length > 0 || before.length > 0) push.memory.patterns.set(channel, single);
  const shards = [...patterns].map(async ([pattern, { shards: count, version }]) => {
    const shard = { channel, pattern, shard: 0 };
    const news = { entry, isClosing, version };
    const seen = before.includes(pattern) ? (cursors.get(pattern) ?? 'none') : undefined;
    if (count === 1) return await pushShard(push, { shard, offset, isClosing, until, news, seen });
    // Several shards go to a process each, so that they are pushed to in parallel.
    const each = Array.from({ length: count }, (_, number) => ({ ...shard, shard: number }));
    await push.jobs.send(each, 0);
  });
  await settleAll(shards);
}

/** Serves one shard. @param until as for `onHint` */
export async function onJob(push: Push, { isGuard = false, ...shard }: Job, until: number): Promise<void> {
  await pushShard(push, { shard, offset: undefined, isClosing: false, isGuard, until });
}

/** Tells the processes that hold requests of the channel. What the entry does not answer, they read. */
async function wakeWaiting(
  push: Push,
  { channel, offset, isClosing, entry }: Hint,
  waiting: Waiting,
): Promise<void> {
  const names = await allWaiting(push.waits, channel, waiting, push.log.clock());
  if (names.length === 0) return;
  const isLast = entry?.slot === offset.entry - 1 && offset.index === 0;
  const news = newsText({ channel, next: offset.entry, isClosing, entry: isLast ? entry : undefined });
  await settleAll(
    names.map(async (name) => {
      if ((await push.poster.post(connectionOf(name), news)) === 'gone')
        await push.waits.remove(channel, name);
    }),
  );
}

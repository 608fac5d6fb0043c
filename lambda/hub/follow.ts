/**
 * Follow: what a stream of events says, one batch after another, until its life ends (PROTOCOL.md §5.2).
 * @module
 */
import { type Held, type Hold, holdRead } from './hold.ts';
import type { From } from './read.ts';

export interface FollowOptions {
  readonly lifetimeMs: number;
  /** How long nothing may happen before a batch without messages says that the stream is alive, in milliseconds. */
  readonly heartbeatMs: number;
  readonly signal: AbortSignal;
}

/**
 * Batches from a position on; the first at once, with or without messages. Ends with the life of the stream, or when a
 * closed channel has been read to its end.
 * @throws Refusal as `catchUp`, also in the middle
 */
export async function* follow(
  hold: Hold,
  name: string,
  from: From,
  { lifetimeMs, heartbeatMs, signal }: FollowOptions,
): AsyncGenerator<Held> {
  const { timer } = hold;
  const end = timer.now() + lifetimeMs;
  let held = await holdRead(hold, name, from, timer.now(), signal);
  for (;;) {
    if (signal.aborted) return;
    yield held;
    if (held.result.closed || timer.now() >= end) return;
    held = await holdRead(hold, name, held.result.next, Math.min(end, timer.now() + heartbeatMs), signal);
  }
}

/**
 * Several streams as one: whatever comes, with the number of the stream that it comes from.
 * @throws Refusal as any of them
 */
export async function* merged(
  streams: readonly AsyncGenerator<Held>[],
): AsyncGenerator<{ readonly at: number; readonly held: Held }> {
  const step = async (stream: AsyncGenerator<Held>, at: number) => ({
    at,
    stream,
    result: await stream.next(),
  });
  const pending = new Map(streams.map((stream, at) => [at, step(stream, at)]));
  try {
    while (pending.size > 0) {
      const { at, stream, result } = await Promise.race(pending.values());
      if (result.done) {
        pending.delete(at);
      } else {
        yield { at, held: result.value };
        pending.set(at, step(stream, at));
      }
    }
  } finally {
    for (const stream of streams) void stream.return(undefined);
  }
}

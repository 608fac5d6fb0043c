/**
 * Follow: reads a channel batch by batch for a stream of events, until the lifetime of the stream ends (PROTOCOL.md §5.2).
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { type From, isPosition } from '../log/read-log.ts';
import { type Held, type HeldBatch, type Hold, holdAfter, holdRead } from './held-read.ts';

/** The times of a stream, and its end. */
export interface FollowOptions {
  /** Lifetime of the stream, in milliseconds. */
  readonly lifetimeMs: number;
  /** Pause after which a batch without messages shows that the stream is alive, in milliseconds. */
  readonly heartbeatMs: number;
  /** Is aborted when the reader has left, or must be answered now. */
  readonly signal: AbortSignal;
}

/**
 * Yields batches from a position on; the first at once, with or without messages. It ends with the lifetime of the stream, or when
 * a closed channel has been read to its end.
 * @throws Refusal as `catchUp`, also in the middle
 */
export async function* follow(
  hold: Hold,
  name: string,
  from: From,
  { lifetimeMs, heartbeatMs, signal }: FollowOptions,
): AsyncGenerator<HeldBatch> {
  const { timer } = hold;
  const end = timer.now() + lifetimeMs;
  let batch = await holdRead(hold, name, from, timer.now(), signal);
  for (;;) {
    if (signal.aborted) return;
    yield batch;
    if (batch.result.closed || timer.now() >= end) return;
    const until = Math.min(end, timer.now() + heartbeatMs);
    const { next, upToDate } = batch.result;
    batch = upToDate
      ? await holdAfter(hold, name, batch, until, signal)
      : await holdRead(hold, name, next, until, signal);
  }
}

/** A batch; or the refusal that what was asked for is gone; or neither, while the channel does not exist. */
export interface Followed {
  /** The batch. */
  readonly held?: Held;
  /** The refusal offset_gone or channel_not_found; the next batch starts at the beginning. */
  readonly gone?: Refusal;
}

/**
 * Follows a channel beyond its end. If what was asked for is gone (the channel was deleted, or the messages are no longer kept), it
 * says so once, and goes on from the beginning of what is there. So no message of a new channel of that name is skipped. A channel
 * that does not exist is looked up at every heartbeat.
 * @throws Refusal as `catchUp`, but never offset_gone, and channel_not_found only for a reader that never was in the channel
 */
export async function* followOn(
  hold: Hold,
  name: string,
  from: From,
  options: FollowOptions,
): AsyncGenerator<Followed> {
  const { timer } = hold;
  const end = timer.now() + options.lifetimeMs;
  let position = from;
  let isToldOfGone = false;
  for (;;) {
    try {
      for await (const held of follow(hold, name, position, { ...options, lifetimeMs: end - timer.now() })) {
        position = held.result.next;
        isToldOfGone = false;
        yield { held };
      }
      return;
    } catch (error) {
      const wasInChannel = isToldOfGone || isPosition(position);
      if (!(error instanceof Refusal && GONE.has(error.code) && wasInChannel)) throw error;
      yield isToldOfGone ? {} : { gone: error };
      if (isToldOfGone || error.code === 'channel_not_found')
        await timer.sleep(Math.min(options.heartbeatMs, end - timer.now()), options.signal);
      if (options.signal.aborted || timer.now() >= end) return;
      isToldOfGone = true;
      position = 'beginning';
    }
  }
}

const GONE: ReadonlySet<string> = new Set(['offset_gone', 'channel_not_found']);

/**
 * Merges several streams. Yields each step with the number of its stream.
 * @throws Refusal as any of them
 */
export async function* merged<T>(
  streams: readonly AsyncGenerator<T>[],
): AsyncGenerator<{ readonly at: number; readonly step: T }> {
  const nextOf = async (stream: AsyncGenerator<T>, at: number) => ({
    at,
    stream,
    result: await stream.next(),
  });
  const pending = new Map(streams.map((stream, at) => [at, nextOf(stream, at)]));
  try {
    while (pending.size > 0) {
      const { at, stream, result } = await Promise.race(pending.values());
      if (result.done) {
        pending.delete(at);
      } else {
        yield { at, step: result.value };
        pending.set(at, nextOf(stream, at));
      }
    }
  } finally {
    for (const stream of streams) void stream.return(undefined);
  }
}

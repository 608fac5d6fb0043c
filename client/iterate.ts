/**
 * A subscription as an async iterator: at the pace of who reads it.
 * @module
 */
import type { Batch } from './batch.ts';
import type { TidingsError } from './errors.ts';
import type { Followed, Listener } from './subscription.ts';

/** Batches that wait for their reader. When there are more, the subscription ends, and begins anew when they are gone. */
const MAX_WAITING = 1_000;

export interface Source {
  readonly follow: (offset: string, listener: Listener) => Followed;
  /** False for a pattern, which has no offset to come again with. */
  readonly canPause: boolean;
}

/** Begins with the first `next()`. */
export function iterate(
  { follow, canPause }: Source,
  start: string,
): AsyncIterableIterator<Batch, undefined> {
  const batches: Batch[] = [];
  let offset = start;
  let running: Followed | undefined;
  let ended: { readonly error: TidingsError | undefined } | undefined;
  const sleepers: (() => void)[] = [];

  const wake = (): void => {
    for (const sleeper of sleepers.splice(0)) sleeper();
  };
  const pause = (): void => {
    running?.close();
    running = undefined;
  };
  const end = (error: TidingsError | undefined): void => {
    pause();
    ended ??= { error };
    wake();
  };
  const listener: Listener = {
    onBatch(batch) {
      batches.push(batch);
      offset = batch.next;
      if (canPause && batches.length >= MAX_WAITING && !batch.closed) pause();
      wake();
    },
    onFault(error) {
      // That one channel of many has lost history must not be passed over; that there is no socket yet may.
      if (error.channel !== undefined) end(error);
    },
    onTransport() {},
    onSubscribed() {},
    onState() {},
    onEnd: end,
  };

  async function next(): Promise<IteratorResult<Batch, undefined>> {
    while (batches.length === 0 && !ended) {
      running ??= follow(offset, listener);
      await new Promise<void>((resolve) => sleepers.push(resolve));
    }
    const value = batches.shift();
    if (value) return { value, done: false };
    const error = ended?.error;
    ended = { error: undefined };
    if (error) throw error;
    return { value: undefined, done: true };
  }

  return {
    next,
    async return() {
      batches.length = 0;
      end(undefined);
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/**
 * A subscription as an async iterator, at the speed of its reader.
 * @module
 */
import type { Batch } from './cursor.ts';
import type { TidingsError } from './errors.ts';
import type { Followed, Listener } from './subscription.ts';

/**
 * Batches that wait for the reader, and characters of their messages as JSON. Above either number the subscription is
 * paused.
 */
const MAX_WAITING = 1_000;
const MAX_WAITING_CHARS = 8 * 1_048_576;

type Follow = (offset: string, listener: Listener) => Followed;

/**
 * Returns an iterator that subscribes with the first `next()`. When too much waits, a subscription to a channel ends,
 * and begins again at its offset when nothing waits any more. A subscription to a pattern has no offset, so it is
 * paused.
 */
export function iterate(follow: Follow, start: string): AsyncIterableIterator<Batch, undefined> {
  const waiting: { readonly batch: Batch; readonly size: number }[] = [];
  let chars = 0;
  let offset = start;
  let running: Followed | undefined;
  let ended: { readonly error: TidingsError | undefined } | undefined;
  const sleepers: (() => void)[] = [];

  const wake = (): void => {
    for (const sleeper of sleepers.splice(0)) sleeper();
  };
  const close = (): void => {
    running?.close();
    running = undefined;
  };
  const end = (error: TidingsError | undefined): void => {
    close();
    ended ??= { error };
    wake();
  };
  const listener: Listener = {
    onBatch(batch) {
      const size = JSON.stringify(batch.messages).length;
      waiting.push({ batch, size });
      chars += size;
      offset = batch.next;
      const isFull = waiting.length >= MAX_WAITING || chars >= MAX_WAITING_CHARS;
      if (isFull && running?.pause) running.pause();
      else if (isFull && !batch.closed) close();
      wake();
    },
    onFault(error) {
      // The loop must learn that one channel of the pattern has lost history. A missing socket needs no report, because
      // it is opened again.
      if (error.channel !== undefined) end(error);
    },
    // An iterator would deliver them late, and they are worth nothing then.
    onEphemeral() {},
    onTransport() {},
    onSubscribed() {},
    onState() {},
    onEnd: end,
  };

  async function next(): Promise<IteratorResult<Batch, undefined>> {
    while (waiting.length === 0 && !ended) {
      running ??= follow(offset, listener);
      running.resume?.();
      await new Promise<void>((resolve) => sleepers.push(resolve));
    }
    const first = waiting.shift();
    if (first) {
      chars -= first.size;
      return { value: first.batch, done: false };
    }
    const error = ended?.error;
    ended = { error: undefined };
    if (error) throw error;
    return { value: undefined, done: true };
  }

  return {
    next,
    async return() {
      waiting.length = 0;
      chars = 0;
      end(undefined);
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/**
 * One channel on a socket: frames go by the gap rule, and what is missing is read over HTTP (PROTOCOL.md §12.3).
 * @module
 */
import { type Batch, type Cursor, type Frame, isUnsettled } from '../cursor.ts';
import { asTidingsError, isLasting, type TidingsError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Page } from '../page.ts';
import { backoff, sleep } from '../timers.ts';
import type { Answer } from './frames.ts';

/** Frames that are kept while what is before them is read; the oldest make room, and are read as well. */
const MAX_KEPT = 100;

export interface LiveReader {
  readonly take: (frame: Frame) => void;
  /** Frames come from now on, and begin where the answer says: reads what is between. */
  readonly begin: (answer: Answer) => void;
  /** Reads over HTTP up to the end, and to where the frames fit again. */
  readonly catchUp: () => void;
  /** True while it reads over HTTP, and while it has something to read when it is resumed. */
  readonly isBusy: () => boolean;
  /** Goes on after a pause: reads what came meanwhile. */
  readonly resume: () => void;
}

export interface LiveOptions {
  readonly host: Pick<Host, 'after' | 'random'>;
  readonly cursor: Cursor;
  readonly read: (offset: string) => Promise<Page>;
  readonly signal: AbortSignal;
  /** True while nothing is delivered: then frames are dropped, to be read over HTTP later. */
  readonly isPaused?: () => boolean;
  /** Told of a refusal that time does not cure; nothing more is read then. */
  readonly onRefused: (error: TidingsError) => void;
}

export function liveReader(options: LiveOptions): LiveReader {
  const { host, cursor, read, signal, isPaused = () => false, onRefused } = options;
  let kept: readonly Frame[] = [];
  let isReading = false;
  let isStale = false;
  let isBehind = false;
  let early = 0;

  /** Reads one page. True if that was all at that moment. */
  async function step(): Promise<boolean> {
    isStale = false;
    const { batch, isUpToDate } = await read(cursor.offset);
    cursor.offer(batch);
    kept = kept.filter((frame) => cursor.offer(frame) === 'gap');
    // Nothing came, and yet something is missing: it is there in a moment, or a cache in between keeps it for longer.
    const isEarly = isUpToDate ? kept.length > 0 : batch.messages.length === 0;
    early = isEarly ? early + 1 : 0;
    if (isEarly) await sleep(host, backoff(early - 1, host.random()), signal);
    return isUpToDate;
  }

  /** What was kept is dropped as well: it is read again, with what follows. */
  function fallBehind(): void {
    kept = [];
    isReading = false;
    isBehind = true;
  }

  /** Ends when nothing is missing. */
  async function readOn(): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      if (isPaused()) return fallBehind();
      try {
        const isAll = await step();
        // Looked at in the moment in which it ends: what comes later begins another reading.
        isReading = !isAll || kept.length > 0 || isStale;
        if (!isReading) return;
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const trouble = asTidingsError(error);
        isReading = !isLasting(trouble, false);
        if (!isReading) return onRefused(trouble);
        const wait = backoff(failures++, host.random());
        await sleep(host, Math.max(wait, trouble.retryAfterMs), signal);
      }
    }
  }

  function readMissing(): void {
    if (isReading) return;
    isReading = true;
    void readOn();
  }

  /** What is being read may have been answered before now. */
  function catchUp(): void {
    isStale = true;
    if (isPaused()) isBehind = true;
    else readMissing();
  }

  return {
    take(frame) {
      if (isPaused()) {
        cursor.settle(frame.from);
        isBehind = true;
        return;
      }
      if (!isReading) {
        cursor.settle(frame.from);
        if (cursor.offer(frame) !== 'gap') return;
      }
      kept = [...kept, frame].slice(-MAX_KEPT);
      readMissing();
    },
    begin({ offset, closed }) {
      if (offset === undefined) return catchUp();
      if (!isReading) cursor.settle(offset);
      if (isUnsettled(cursor.offset) || cursor.offset < offset) catchUp();
      else if (closed) cursor.offer(endAt(cursor.channel, offset));
    },
    catchUp,
    isBusy: () => isReading || isBehind,
    resume() {
      if (!isBehind) return;
      isBehind = false;
      catchUp();
    },
  };
}

const endAt = (channel: string, offset: string): Batch => ({
  channel,
  messages: [],
  encoding: 'json',
  from: offset,
  next: offset,
  closed: true,
});

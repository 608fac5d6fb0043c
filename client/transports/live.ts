/**
 * One channel on a socket: frames are judged by the gap rule, and missing messages are read over HTTP (PROTOCOL.md
 * §12.3).
 * @module
 */
import { type Batch, type Cursor, type Frame, isUnsettled } from '../cursor.ts';
import { asTidingsError, isLasting, type TidingsError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Page, Pages, Said } from '../page.ts';
import type { RetryBudget } from '../retry-budget.ts';
import { backoff, onAbort, retryWait, sleep } from '../timers.ts';
import type { TransportReader } from './failover.ts';
import type { Answer, Ephemeral } from './frames.ts';
import type { Link } from './link.ts';
import { settleLast } from './polling.ts';

/**
 * Frames that wait while the messages before them are read. If there are more, the oldest are dropped, and read over
 * HTTP as well.
 */
const MAX_HELD_BACK = 100;

/** Reads one channel on a socket. */
export interface LiveReader {
  /** Receives a frame, in any order. */
  readonly onFrame: (frame: Frame) => void;
  /** Frames come from now on, and begin where the answer says. Reads the messages before that. */
  readonly begin: (answer: Answer) => void;
  /** Reads over HTTP up to the end, or until the frames follow. */
  readonly catchUp: () => void;
  /** True while it reads over HTTP, and while it has something to read after a pause. */
  readonly isBusy: () => boolean;
  /** Continues after a pause: reads what came meanwhile. */
  readonly resume: () => void;
}

/** The parts that the reader needs. */
export interface LiveOptions {
  /** The timers and random numbers. */
  readonly host: Pick<Host, 'after' | 'random'>;
  /** Pays for retries. */
  readonly budget: RetryBudget;
  /** The cursor that the frames move. */
  readonly cursor: Cursor;
  /** Reads one page over HTTP. */
  readonly read: (offset: string) => Promise<Page>;
  /** Aborted when the subscription ends. */
  readonly signal: AbortSignal;
  /** True while nothing is delivered. Then frames are dropped, and read over HTTP later. */
  readonly isPaused?: () => boolean;
  /** Receives a refusal that time does not solve. Nothing more is read after that. */
  readonly onRefused: (error: TidingsError) => void;
}

/** Returns a reader that begins with the first frame or answer. */
export function liveReader(options: LiveOptions): LiveReader {
  const { cursor, isPaused = () => false } = options;
  /** True if something is missing that is not being read. */
  let isBehind = false;
  const missing = missingMessages(options, isPaused, () => {
    isBehind = true;
  });

  function catchUp(): void {
    missing.markStale();
    if (isPaused()) isBehind = true;
    else missing.read();
  }

  return {
    onFrame(frame) {
      if (isPaused()) {
        cursor.settle(frame.from);
        isBehind = true;
        return;
      }
      if (!missing.isReading()) {
        cursor.settle(frame.from);
        if (cursor.offer(frame) !== 'gap') return;
      }
      missing.holdBack(frame);
    },
    begin({ offset, closed }) {
      if (offset === undefined) return catchUp();
      if (!missing.isReading()) cursor.settle(offset);
      if (isUnsettled(cursor.offset) || cursor.offset < offset) catchUp();
      else if (closed) cursor.offer(endAt(cursor.channel, offset));
    },
    catchUp,
    isBusy: () => missing.isReading() || isBehind,
    resume() {
      if (!isBehind) return;
      isBehind = false;
      catchUp();
    },
  };
}

/** Messages that are read over HTTP, and the frames that wait for them. */
interface MissingMessages {
  /** True from the call of `read` until nothing is missing. */
  readonly isReading: () => boolean;
  /** Reads until nothing is missing. Does nothing while it reads already. */
  readonly read: () => void;
  /** Notes that there may be more than in the page that is being read: it may have been answered before this call. */
  readonly markStale: () => void;
  /** Keeps a frame until the messages before it are read, and reads them. */
  readonly holdBack: (frame: Frame) => void;
}

/**
 * Returns the missing messages of a channel, of which none is known yet.
 * @param onPaused called when the reading ends early because of a pause. The frames are dropped, and read again later
 */
function missingMessages(
  { host, budget, cursor, read, signal, onRefused }: LiveOptions,
  isPaused: () => boolean,
  onPaused: () => void,
): MissingMessages {
  let heldBack: readonly Frame[] = [];
  let isReading = false;
  let isStale = false;
  let early = 0;

  /** Reads one page. Returns true if these were all messages at that moment. */
  async function step(): Promise<boolean> {
    isStale = false;
    const page = await read(cursor.offset);
    const { batch, isUpToDate } = page;
    settleLast(cursor, page);
    cursor.offer(batch);
    heldBack = heldBack.filter((frame) => cursor.offer(frame) === 'gap');
    // A message is missing, and the page does not have it. It comes in a moment, or a cache returns an old page for
    // longer.
    const isTooEarly = isUpToDate ? heldBack.length > 0 : batch.messages.length === 0;
    early = isTooEarly ? early + 1 : 0;
    if (isTooEarly) await sleep(host, backoff(early - 1, host.random()), signal);
    return isUpToDate;
  }

  async function readOn(): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      if (isPaused()) {
        heldBack = [];
        isReading = false;
        onPaused();
        return;
      }
      try {
        const isAll = await step();
        budget.answered(failures > 0);
        // Set in the moment in which the loop ends. A later frame begins another reading.
        isReading = !isAll || heldBack.length > 0 || isStale;
        if (!isReading) return;
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const trouble = asTidingsError(error);
        isReading = !isLasting(trouble, false);
        if (!isReading) return onRefused(trouble);
        await budget.wait(retryWait(failures++, host.random(), trouble.retryAfterMs), signal);
      }
    }
  }

  function start(): void {
    if (isReading) return;
    isReading = true;
    void readOn();
  }

  return {
    isReading: () => isReading,
    read: start,
    markStale() {
      isStale = true;
    },
    holdBack(frame) {
      heldBack = [...heldBack, frame].slice(-MAX_HELD_BACK);
      start();
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

/** Returns a frame for a reader that must miss nothing: without its messages if some were skipped. */
const wholeOf = (frame: Frame): Frame => (frame.isConflated ? { ...frame, omitted: true } : frame);

/** The parts that the WebSocket transport needs. */
export interface SocketSource {
  /** The timers and random numbers. */
  readonly host: Pick<Host, 'after' | 'random'>;
  /** Pays for retries. */
  readonly budget: RetryBudget;
  /** Reads missing messages over HTTP. */
  readonly pages: Pages;
  /** The socket of the client. */
  readonly link: Link;
  /** The cursor of the channel. */
  readonly cursor: Cursor;
  /** Receives ephemeral messages. */
  readonly onEphemeral: (ephemeral: Ephemeral) => void;
  /** True if the reader may miss messages that newer ones of the same key have replaced. */
  readonly isConflated: boolean;
  /** What this client says about itself as a member of the channel (PROTOCOL.md §14). Default: nothing. */
  readonly said?: Said | undefined;
}

/** Returns the WebSocket transport of one channel. */
export const socketReader = ({
  host,
  budget,
  pages,
  link,
  cursor,
  onEphemeral,
  isConflated,
  said,
}: SocketSource): TransportReader => ({
  name: 'websocket',
  run: ({ signal, up, down, lost }) =>
    new Promise((_, reject) => {
      const { channel } = cursor;
      const read = (offset: string) => pages.read({ channel, offset }, signal);
      const reader = liveReader({ host, budget, cursor, read, signal, onRefused: reject });
      const leave = link.join({
        topic: channel,
        offset: () => cursor.offset,
        onEphemeral,
        presence: said?.data,
        isConflated,
        // Subscriptions of one channel share one at the hub. One that must miss nothing reads what was skipped for others.
        onFrame: (frame) => reader.onFrame(isConflated ? frame : wholeOf(frame)),
        onLive(answer) {
          up();
          reader.begin(answer);
        },
        onLost: (why) => lost?.(why),
        onDown: down,
        onRefused: reject,
      });
      onAbort(signal, leave);
    }),
});

/**
 * A subscription to a pattern (PROTOCOL.md §12.4). It is live only, and needs a WebSocket. The client remembers the
 * offset of each channel that it has seen. After an interruption it reads these channels from there, so it loses
 * nothing of them.
 * @module
 */
import { type Cursor, cursorAt } from './cursor.ts';
import { TidingsError } from './errors.ts';
import { type Followed, type Life, type Listener, lifeIn, type Shared } from './subscription.ts';
import { onAbort } from './timers.ts';
import { stateReporter } from './transports/failover.ts';
import { type LiveReader, liveReader } from './transports/live.ts';

/**
 * Channels that a pattern remembers: those on which a message came last. Each of them is read after an interruption.
 */
export const MAX_CHANNELS = 1_000;

/**
 * Subscribes to a pattern. Without a socket, or after the client is closed, the listener gets the error later, not
 * during the call.
 */
export function followPattern(shared: Shared, pattern: string, listener: Listener): Followed {
  const life = lifeIn(shared.signal, listener.onEnd);
  const channels = channelsOf(shared, life, listener);
  const { link } = shared;
  if (!link || shared.signal.aborted) {
    const why = link ? 'the client is closed' : 'patterns need a WebSocket';
    queueMicrotask(() => life.end(new TidingsError(link ? 'unavailable' : 'not_supported', why)));
    return { offset: 'now', close: life.close };
  }
  let isDown = false;
  let isSubscribed = false;
  const states = stateReporter(life.signal, listener.onState);
  const leave = link.join({
    topic: pattern,
    offset: () => 'now',
    isConflated: false,
    onFrame: (frame) => channels.of(frame.channel, frame.from).onFrame(frame),
    onLive() {
      isDown = false;
      listener.onTransport('websocket');
      states.up('websocket');
      if (!isSubscribed) listener.onSubscribed();
      isSubscribed = true;
      channels.catchUp();
    },
    onLost: (why) => states.down('websocket', why, false),
    onDown(why) {
      states.down('websocket', why, true);
      if (!isDown) listener.onFault(new TidingsError('unavailable', 'the socket cannot be opened; retrying'));
      isDown = true;
    },
    onRefused: life.end,
  });
  onAbort(life.signal, leave);
  return { offset: 'now', close: life.close, pause: channels.pause, resume: channels.resume };
}

interface Channels {
  /** Returns the reader of a channel. A new reader begins at the offset. */
  readonly of: (channel: string, offset: string) => LiveReader;
  /** Reads in all known channels what came while there was no socket. */
  readonly catchUp: () => void;
  /** Keeps only the offset of each channel from now on. */
  readonly pause: () => void;
  /** Reads what came during the pause, in each channel from its offset. */
  readonly resume: () => void;
}

function channelsOf(
  { host, budget, pages }: Shared,
  { signal, end }: Life,
  { onBatch, onFault }: Listener,
): Channels {
  const readers = new Map<string, LiveReader>();
  let isPaused = false;
  const newReader = (channel: string, offset: string): LiveReader => {
    const forget = (): void => void readers.delete(channel);
    const cursor: Cursor = cursorAt({ channel, offset, signal, deliver: onBatch, onEnd: forget });
    return liveReader({
      host,
      budget,
      cursor,
      read: (from) => pages.read({ channel, offset: from }, signal),
      signal,
      isPaused: () => isPaused,
      onRefused({ code, message, status }) {
        forget();
        if (!signal.aborted) onFault(new TidingsError(code, message, { status, channel }));
      },
    });
  };
  /**
   * Removes idle readers, the oldest first. A busy reader stays: if its channel began again beside it, messages would
   * come twice, or never.
   */
  const forgetOldest = (): void => {
    for (const [channel, reader] of readers) {
      if (readers.size < MAX_CHANNELS) return;
      if (!reader.isBusy()) readers.delete(channel);
    }
    // Without this limit a loop with a long pause would fill the memory with channels.
    if (isPaused && readers.size >= MAX_CHANNELS)
      end(new TidingsError('unavailable', `fell behind in more than ${MAX_CHANNELS} channels`));
  };
  return {
    of(channel, offset) {
      const reader = readers.get(channel) ?? newReader(channel, offset);
      // A map keeps the order of insertion, so the channel with the newest message is last.
      readers.delete(channel);
      forgetOldest();
      readers.set(channel, reader);
      return reader;
    },
    catchUp() {
      for (const reader of [...readers.values()]) reader.catchUp();
    },
    pause() {
      isPaused = true;
    },
    resume() {
      if (!isPaused) return;
      isPaused = false;
      for (const reader of [...readers.values()]) reader.resume();
    },
  };
}

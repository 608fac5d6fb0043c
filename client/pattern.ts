/**
 * A subscription to a pattern (PROTOCOL.md §12.4): live only, over a WebSocket only. What it has seen of each channel it
 * remembers, so that an interruption costs nothing of the channels that it knows.
 * @module
 */
import { type Cursor, cursorAt } from './cursor.ts';
import { TidingsError } from './errors.ts';
import { type Followed, type Life, type Listener, lifeIn, type Means, stateTeller } from './subscription.ts';
import { onAbort } from './timers.ts';
import { type LiveReader, liveReader } from './transports/live.ts';

/** Channels that a pattern remembers, those heard last: each of them is read after an interruption. */
export const MAX_CHANNELS = 1_000;

export function followPattern(means: Means, pattern: string, listener: Listener): Followed {
  const life = lifeIn(means.signal, listener.onEnd);
  const channels = channelsOf(means, life, listener);
  const { link } = means;
  if (!link || means.signal.aborted) {
    const why = link ? 'the client is closed' : 'patterns need a WebSocket';
    queueMicrotask(() => life.end(new TidingsError(link ? 'unavailable' : 'not_supported', why)));
    return { offset: 'now', close: life.close };
  }
  let isDown = false;
  let isSubscribed = false;
  const states = stateTeller(life.signal, listener.onState);
  const leave = link.join({
    topic: pattern,
    offset: () => 'now',
    onFrame: (frame) => channels.of(frame.channel, frame.from).take(frame),
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
  /** The reader of a channel, which begins at an offset if it is new. */
  readonly of: (channel: string, offset: string) => LiveReader;
  /** Reads in all of them what came while there was no socket. */
  readonly catchUp: () => void;
  /** From now on only the offsets of channels are kept. */
  readonly pause: () => void;
  /** Reads what came meanwhile, in each channel from where it was. */
  readonly resume: () => void;
}

function channelsOf({ host, pages }: Means, { signal, end }: Life, { onBatch, onFault }: Listener): Channels {
  const readers = new Map<string, LiveReader>();
  let isPaused = false;
  const newReader = (channel: string, offset: string): LiveReader => {
    const forget = (): void => void readers.delete(channel);
    const cursor: Cursor = cursorAt({ channel, offset, signal, deliver: onBatch, onEnd: forget });
    return liveReader({
      host,
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
  /** One that is busy stays: what it reads would come twice, or never, if its channel began again beside it. */
  const forgetOldest = (): void => {
    for (const [channel, reader] of readers) {
      if (readers.size < MAX_CHANNELS) return;
      if (!reader.isBusy()) readers.delete(channel);
    }
    // Without a bound a loop that is paused for long would fill the memory, with channels instead of messages.
    if (isPaused && readers.size >= MAX_CHANNELS)
      end(new TidingsError('unavailable', `fell behind in more than ${MAX_CHANNELS} channels`));
  };
  return {
    of(channel, offset) {
      const reader = readers.get(channel) ?? newReader(channel, offset);
      // A map keeps the order in which its keys came: the one that was heard last is last.
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

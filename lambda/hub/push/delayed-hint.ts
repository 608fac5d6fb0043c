/**
 * A delayed hint is published to the topic later, because the topic was too busy for it (docs/adr/0012). The hub's own queues
 * already have the hint. Delayed hints are for the subscriptions that a team adds to the topic: in the end each gets at least one
 * hint for every channel that has grown, but not one for every publish.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { formatOffset, isBefore, type Position } from '../../../protocol/offset.ts';
import { type Recent, recent } from '../bounded-map.ts';
import { isAlive } from '../log/channel.ts';
import type { Log, SendHint } from '../log/log-ports.ts';
import type { Hint } from './on-hint.ts';

/** A channel for which the topic still needs a hint. */
export interface DelayedHint extends Pick<Hint, 'channel' | 'offset'> {
  /** The number of times that the topic was too busy for it, from 0 on. */
  readonly tries: number;
}

/** A hint for the topic. */
interface TopicHint extends Hint {
  /** The key of a keyed channel. */
  readonly streamKey: string | undefined;
}

/** Queue of delayed hints. */
export interface DelayedHints {
  /** Sends a delayed hint, which is delivered after `delayMs` milliseconds. */
  send(hint: DelayedHint, delayMs: number): Promise<void>;
}

/** The dependencies of the handler of delayed hints. */
export interface DelayedHintParts {
  /** The log to read. */
  readonly log: Pick<Log, 'channels' | 'entries' | 'clock'>;
  /** Publishes to the topic. @throws Refusal unavailable while the topic is too busy */
  readonly topic: SendHint;
  /** The queue of delayed hints. */
  readonly queue: DelayedHints;
  /** Returns a number from 0 to below 1. */
  readonly random: () => number;
}

/** Delay of the first attempt, in milliseconds. One delayed hint covers all that is published to the channel meanwhile. */
export const HINT_DELAY_MS = 2_000;

/** Longest delay between two attempts, in milliseconds. */
const MOST_DELAY_MS = 60_000;

/** Channels that a process remembers. After it has forgotten one, it may publish a hint with nothing new, which is harmless. */
const CHANNELS_REMEMBERED = 10_000;

/**
 * Returns a function that handles one delayed hint. It remembers the hints that it has published, and those that it has delayed again.
 */
export function delayedHintHandler({
  log,
  topic,
  queue,
  random,
}: DelayedHintParts): (hint: DelayedHint) => Promise<void> {
  const published = recent<TopicHint>(CHANNELS_REMEMBERED);
  const due = delayedHintsDue();
  return async (delayed) => {
    const { channel } = delayed;
    if (isUnderWay(due, channel, log.clock())) return;
    // The log is read even if the offset of this delayed hint was published: other publishes may rely on it (isUnderWay).
    const hint = await newest(log, delayed);
    const last = published.get(channel);
    if (!hint || (last && covers(last, hint))) return;
    try {
      await topic({ ...hint, offset: formatOffset(hint.offset) });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const delayMs = delayAfter(delayed.tries, random());
      const dueAt = log.clock() + delayMs;
      await queue.send({ ...delayed, tries: delayed.tries + 1 }, delayMs);
      due.set(channel, dueAt);
      return;
    }
    published.set(channel, hint);
  };
}

/** Returns an empty map from a channel to the time at which its delayed hint is delivered, in milliseconds since 1970. */
export const delayedHintsDue = (): Recent<number> => recent(CHANNELS_REMEMBERED);

/** Returns true if a delayed hint of the channel is under way. The log is read when it arrives, so no other is needed. */
export const isUnderWay = (due: Recent<number>, channel: string, now: number): boolean =>
  (due.get(channel) ?? 0) > now;

const covers = (published: Hint, { offset, isClosing }: Hint): boolean =>
  !isBefore(published.offset, offset) && (published.isClosing || !isClosing);

/** Returns the hint for the channel as it is now; undefined if the channel no longer exists. */
async function newest(
  log: DelayedHintParts['log'],
  { channel: name, offset }: DelayedHint,
): Promise<TopicHint | undefined> {
  const channel = await log.channels.get(name);
  if (!channel || !isAlive(channel, log.clock())) return undefined;
  // The end of what is stored, not of what is reserved: a subscriber may read until it reaches the offset of a hint.
  const stored = await log.entries.nearest(channel.streamId, channel.next, 'below');
  const end: Position = { entry: (stored?.slot ?? 0) + 1, index: 0 };
  const { closed: isClosing, streamKey } = channel;
  return { channel: name, offset: isBefore(end, offset) ? offset : end, isClosing, streamKey };
}

/** Returns the delay in milliseconds: doubled after each attempt, and random so that processes do not retry together. */
const delayAfter = (tries: number, random: number): number =>
  Math.min(MOST_DELAY_MS, HINT_DELAY_MS * 2 ** tries) * (0.5 + random / 2);

/**
 * A relay publishes a hint to the topic later, if the topic was too busy for it (docs/adr/0012). The hub's own queues already have
 * the hint. Relays are for the subscriptions that a team adds to the topic: in the end each gets at least one hint for every
 * channel that has grown, but not one for every publish.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { formatOffset, isBefore, type Position } from '../../../protocol/offset.ts';
import { type Recent, recent } from '../bounded-map.ts';
import { isAlive } from '../log/channel.ts';
import type { Log, SendHint } from '../log/log-ports.ts';
import type { Hint } from './on-hint.ts';

/** A channel for which the topic still needs a hint. */
export interface Relay extends Pick<Hint, 'channel' | 'offset'> {
  /** The number of times that the topic was too busy for this relay, from 0 on. */
  readonly tries: number;
}

/** A hint for the topic. */
interface RelayedHint extends Hint {
  /** The key of a keyed channel. */
  readonly streamKey: string | undefined;
}

/** Queue of relays. */
export interface RelayQueue {
  /** Sends a relay, which is delivered after `delayMs` milliseconds. */
  send(relay: Relay, delayMs: number): Promise<void>;
}

/** The dependencies of relays. */
export interface Relaying {
  /** The log to read. */
  readonly log: Pick<Log, 'channels' | 'entries' | 'clock'>;
  /** Publishes to the topic. @throws Refusal unavailable while the topic is too busy */
  readonly topic: SendHint;
  /** The queue of relays. */
  readonly queue: RelayQueue;
  /** Returns a number from 0 to below 1. */
  readonly random: () => number;
}

/** Delay of the first attempt, in milliseconds. One relay covers all that is published to the channel meanwhile. */
export const RELAY_MS = 2_000;

/** Longest delay between two attempts, in milliseconds. */
const MOST_DELAY_MS = 60_000;

/** Channels that a process remembers. After it has forgotten one, it may publish a hint with nothing new, which is harmless. */
const CHANNELS_REMEMBERED = 10_000;

/** Returns a function that handles one relay. It remembers the hints that it has published, and the relays that it has sent back. */
export function relayHandler({ log, topic, queue, random }: Relaying): (relay: Relay) => Promise<void> {
  const published = recent<RelayedHint>(CHANNELS_REMEMBERED);
  const due = relaysDue();
  return async (relay) => {
    const { channel } = relay;
    if (isUnderWay(due, channel, log.clock())) return;
    // The log is read even if the offset of this relay was published: other publishes may rely on this relay (isUnderWay).
    const hint = await newest(log, relay);
    const last = published.get(channel);
    if (!hint || (last && covers(last, hint))) return;
    try {
      await topic({ ...hint, offset: formatOffset(hint.offset) });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const delayMs = delayAfter(relay.tries, random());
      const dueAt = log.clock() + delayMs;
      await queue.send({ ...relay, tries: relay.tries + 1 }, delayMs);
      due.set(channel, dueAt);
      return;
    }
    published.set(channel, hint);
  };
}

/** Returns an empty map from a channel to the time at which its relay is delivered, in milliseconds since 1970. */
export const relaysDue = (): Recent<number> => recent(CHANNELS_REMEMBERED);

/** Returns true if a relay of the channel is under way. It reads the log when it arrives, so no other relay is needed. */
export const isUnderWay = (due: Recent<number>, channel: string, now: number): boolean =>
  (due.get(channel) ?? 0) > now;

const covers = (published: Hint, { offset, isClosing }: Hint): boolean =>
  !isBefore(published.offset, offset) && (published.isClosing || !isClosing);

/** Returns the hint for the channel as it is now; undefined if the channel no longer exists. */
async function newest(
  log: Relaying['log'],
  { channel: name, offset }: Relay,
): Promise<RelayedHint | undefined> {
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
  Math.min(MOST_DELAY_MS, RELAY_MS * 2 ** tries) * (0.5 + random / 2);

/**
 * Relay: publishes a hint to the topic later, if the topic was too busy for it (docs/adr/0012). The hub's own queues already have
 * the hint. The relay is for a team's own subscriptions to the topic: they get a hint of every channel in the end, but only a few.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { formatOffset, isBefore, type Position } from '../../../protocol/offset.ts';
import { type Recent, recent } from '../log/bounded-map.ts';
import { isAlive } from '../log/channel.ts';
import type { Log, SendHint } from '../log/log-ports.ts';
import type { Hint } from './on-hint.ts';

/** A channel for which the topic still needs a hint. */
export interface Relay extends Pick<Hint, 'channel' | 'offset'> {
  /** How often the topic was busy for this relay. */
  readonly tries: number;
}

/** Queue of relays. */
export interface Relays {
  /** Sends the relay with a delay, in milliseconds. */
  send(relay: Relay, delayMs: number): Promise<void>;
}

/** Everything that relays need. */
export interface Relaying {
  readonly log: Pick<Log, 'channels' | 'entries' | 'clock'>;
  /** Throws Refusal unavailable while the topic is busy. */
  readonly topic: SendHint;
  readonly relays: Relays;
  /** At least 0, below 1. */
  readonly random: () => number;
}

/** Delay of the first attempt, in milliseconds. One relay covers all that is published to the channel meanwhile. */
export const RELAY_MS = 2_000;

/** Longest delay between two attempts, in milliseconds. */
const MOST_DELAY_MS = 60_000;

/** Channels that a process remembers. If it forgets one, it may publish a hint that says nothing new. */
const CHANNELS_REMEMBERED = 10_000;

/** Returns a function that handles a relay. It remembers what it has published, and which relays are under way. */
export function relaying({ log, topic, relays, random }: Relaying): (relay: Relay) => Promise<void> {
  const published = recent<Hint>(CHANNELS_REMEMBERED);
  const due = relaysDue();
  return async (relay) => {
    const { channel } = relay;
    if (isUnderWay(due, channel, log.clock())) return;
    // Also if its own offset was published already: publishers rely on it to read what is stored now.
    const hint = await newest(log, relay);
    const last = published.get(channel);
    if (!hint || (last && covers(last, hint))) return;
    try {
      await topic({ ...hint, offset: formatOffset(hint.offset) });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const delayMs = delayAfter(relay.tries, random());
      const dueAt = log.clock() + delayMs;
      await relays.send({ ...relay, tries: relay.tries + 1 }, delayMs);
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
async function newest(log: Relaying['log'], { channel: name, offset }: Relay): Promise<Hint | undefined> {
  const channel = await log.channels.get(name);
  if (!channel || !isAlive(channel, log.clock())) return undefined;
  // The end of what is stored, not of what is reserved: a subscriber may read until it reaches the offset of a hint.
  const stored = await log.entries.nearest(channel.streamId, channel.next, 'below');
  const end: Position = { entry: (stored?.slot ?? 0) + 1, index: 0 };
  return { channel: name, offset: isBefore(end, offset) ? offset : end, isClosing: channel.closed };
}

/** Returns the delay in milliseconds: doubled after each attempt, and random so that processes do not retry together. */
const delayAfter = (tries: number, random: number): number =>
  Math.min(MOST_DELAY_MS, RELAY_MS * 2 ** tries) * (0.5 + random / 2);

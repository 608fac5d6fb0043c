/**
 * Relay: tells the topic later what it was too busy for (docs/adr/0012). The hub's own queues have had the hint, so this is
 * for what a team subscribes to the topic itself: it hears of every channel in the end, of each as rarely as will do.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { formatOffset, isBefore, type Position } from '../../protocol/offset.ts';
import { isAlive } from './channel.ts';
import type { Hint } from './hint.ts';
import type { Log, SendHint } from './ports.ts';
import { type Recent, recent } from './recent.ts';

/** A channel that is to be told of, since the topic was too busy for a hint of it. */
export interface Relay extends Pick<Hint, 'channel' | 'offset'> {
  /** How often the topic was too busy for it since the publish itself. */
  readonly tries: number;
}

export interface Relays {
  /** Leaves the relay for after that many milliseconds. */
  send(relay: Relay, delayMs: number): Promise<void>;
}

export interface Relaying {
  readonly log: Pick<Log, 'channels' | 'entries' | 'clock'>;
  /** Throws Refusal unavailable while the topic is busy. */
  readonly topic: SendHint;
  readonly relays: Relays;
  /** At least 0, below 1. */
  readonly random: () => number;
}

/** Until the first attempt, in milliseconds: what is published meanwhile is told by the same relay. */
export const RELAY_MS = 2_000;

/** The longest between two attempts, in milliseconds. */
const MOST_DELAY_MS = 60_000;

/** Channels that a process remembers. To forget one costs a hint that says nothing new. */
const CHANNELS_REMEMBERED = 10_000;

/** Returns what does a relay. It remembers what it told, and what it put off. */
export function relaying({ log, topic, relays, random }: Relaying): (relay: Relay) => Promise<void> {
  const told = recent<Hint>(CHANNELS_REMEMBERED);
  const due = relaysDue();
  return async (relay) => {
    const { channel } = relay;
    if (isUnderWay(due, channel, log.clock())) return;
    // Also where its own offset was told: others rely on what it reads.
    const hint = await newest(log, relay);
    const last = told.get(channel);
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
    told.set(channel, hint);
  };
}

/** When the relays are due that a process sent, by channel: the time of sending and the delay, in milliseconds since 1970. */
export const relaysDue = (): Recent<number> => recent(CHANNELS_REMEMBERED);

/** True if no other relay is needed: the one that is under way reads the log when it comes, and tells all that is stored then. */
export const isUnderWay = (due: Recent<number>, channel: string, now: number): boolean =>
  (due.get(channel) ?? 0) > now;

const covers = (told: Hint, { offset, isClosing }: Hint): boolean =>
  !isBefore(told.offset, offset) && (told.isClosing || !isClosing);

/** What is to be said of the channel now; undefined if there is no such channel any more. */
async function newest(log: Relaying['log'], { channel: name, offset }: Relay): Promise<Hint | undefined> {
  const channel = await log.channels.get(name);
  if (!channel || !isAlive(channel, log.clock())) return undefined;
  // What is stored, not what is claimed: a subscriber may read on until it has reached the offset of a hint.
  const stored = await log.entries.nearest(channel.streamId, channel.next, 'below');
  const end: Position = { entry: (stored?.slot ?? 0) + 1, index: 0 };
  return { channel: name, offset: isBefore(end, offset) ? offset : end, isClosing: channel.closed };
}

/** Twice as long after each attempt, and never two processes at the same moment, in milliseconds. */
const delayAfter = (tries: number, random: number): number =>
  Math.min(MOST_DELAY_MS, RELAY_MS * 2 ** Math.min(tries, 10)) * (0.5 + random / 2);

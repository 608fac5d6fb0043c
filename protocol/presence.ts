/**
 * Presence: which channels have it, and where it is published (PROTOCOL.md §14).
 * @module
 */
import { isChannelName, isPattern, patternsOf } from './channel-name.ts';
import { isOwnChannel } from './webhooks.ts';

/** The prefix of the channels that say who is in another channel. */
const PRESENCE = 'tidings/presence/';

/** The key of these channels, as the clients of the Durable Streams State Protocol need it. */
export const PRESENCE_KEY = '/type,/key';

/** The `type` of all messages on them. */
export const PRESENCE_TYPE = 'presence';

/** The transports that count. */
export const PRESENT_BY = ['websocket', 'sse', 'long-poll'] as const;
/** The transport by which a member reads. */
export type PresentBy = (typeof PRESENT_BY)[number];

/** Returns the channel that says who is in a channel. */
export const presenceChannel = (channel: string): string => `${PRESENCE}${channel}`;

/** Returns the channel or pattern that a presence channel or a pattern of them is about; undefined for any other name. */
export const channelOfPresence = (name: string): string | undefined =>
  name.startsWith(PRESENCE) ? name.slice(PRESENCE.length) : undefined;

/**
 * Returns untrusted JSON as the patterns of the channels that have presence.
 * @throws Error with one sentence that names the first mistake
 */
export function parsePresencePatterns(value: unknown): readonly string[] {
  if (!Array.isArray(value))
    throw new Error(`the patterns must be a list such as ["chat/*"], got ${JSON.stringify(value)}`);
  const wrong: unknown = value.find((one) => typeof one !== 'string' || !isPattern(one));
  if (wrong !== undefined)
    throw new Error(`${JSON.stringify(wrong)} is not a channel name, a prefix ending in /*, or *`);
  return value.map(String);
}

/**
 * Returns true if a channel has presence: a pattern matches it, it is not a channel of the hub itself, and its name leaves room for
 * that of its presence channel.
 */
export const hasPresence = (patterns: readonly string[], channel: string): boolean =>
  patterns.length > 0 &&
  !isOwnChannel(channel) &&
  isChannelName(presenceChannel(channel)) &&
  patternsOf(channel).some((pattern) => patterns.includes(pattern));

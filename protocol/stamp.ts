/**
 * Members that the hub adds to the messages of some channels (PROTOCOL.md §4.6).
 * @module
 */
import { isPattern, patternsOf } from './channel-name.ts';

/** What a member says: the `sub` of the token that published, or the time of the publish. */
export const STAMP_SOURCES = ['sub', 'time'] as const;
/** The name of a source. */
export type StampSource = (typeof STAMP_SOURCES)[number];

/** Name of the member → its source. */
export type StampMembers = Readonly<Record<string, StampSource>>;

/** For example `{"chat/*":{"sender":"sub","sentAt":"time"}}`. */
export type Stamps = Readonly<Record<string, StampMembers>>;

/** Members of one pattern. Each makes every message longer. */
const MAX_MEMBERS = 4;

const NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;

/**
 * Returns untrusted JSON as stamps.
 * @throws Error with one sentence that names the first mistake
 */
export function parseStamps(value: unknown): Stamps {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`stamps are a JSON object of pattern to members, got ${JSON.stringify(value)}`);
  // Without a prototype, a channel named "constructor" finds only what was set.
  const stamps: Record<string, StampMembers> = Object.create(null);
  for (const [pattern, members] of Object.entries(value)) {
    if (!isPattern(pattern))
      throw new Error(`"${pattern}" is not a channel name, a prefix ending in /*, or *`);
    stamps[pattern] = parseMembers(pattern, members);
  }
  return stamps;
}

function parseMembers(pattern: string, value: unknown): StampMembers {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const members = entries.filter((entry): entry is [string, StampSource] => isMember(entry));
  if (members.length === entries.length && members.length >= 1 && members.length <= MAX_MEMBERS)
    return Object.fromEntries(members);
  throw new Error(
    `the members of "${pattern}" must be 1 to ${MAX_MEMBERS} names of letters, digits, "_" and "-" with ` +
      `${STAMP_SOURCES.map((source) => `"${source}"`).join(' or ')}, got ${JSON.stringify(value)}`,
  );
}

const isMember = ([name, source]: readonly [string, unknown]): boolean =>
  NAME.test(name) && name !== '__proto__' && STAMP_SOURCES.some((one) => one === source);

/** Returns the members for a channel: those of the most specific pattern that matches it. Undefined without one. */
export function membersFor(stamps: Stamps, channel: string): StampMembers | undefined {
  const pattern = patternsOf(channel).find((one) => Object.hasOwn(stamps, one));
  return pattern === undefined ? undefined : stamps[pattern];
}

/**
 * Channel names and the patterns that match them (PROTOCOL.md §2).
 * @module
 */
import { MAX_CHANNEL_LENGTH, MAX_SEGMENT_LENGTH, MAX_SEGMENTS } from './limits.ts';

const SEGMENT = new RegExp(`^[A-Za-z0-9_.~-]{1,${MAX_SEGMENT_LENGTH}}$`);

/**
 * True for 1 to 8 segments of 1 to 64 unreserved URL characters, joined by `/`, with at most 255 characters in total.
 * `.` and `..` are not allowed: URL parsers remove them, so such a name could be authorized as one channel and stored
 * as another.
 */
export function isChannelName(name: string): boolean {
  if (name.length > MAX_CHANNEL_LENGTH) return false;
  const segments = name.split('/');
  return (
    segments.length <= MAX_SEGMENTS &&
    segments.every((segment) => SEGMENT.test(segment) && segment !== '.' && segment !== '..')
  );
}

/** True for a channel name, a channel name followed by `/*` (everything below it), or `*` (everything). */
export function isPattern(pattern: string): boolean {
  return pattern === '*' || isChannelName(pattern.endsWith('/*') ? pattern.slice(0, -2) : pattern);
}

/**
 * Returns all patterns that match a channel, the most specific first: `a/b` gives `a/b`, `a/*`, `*`. A match is a
 * look-up of at most nine exact keys, never a scan over all subscriptions.
 */
export function patternsOf(channel: string): string[] {
  const segments = channel.split('/');
  const prefixes = segments.slice(0, -1).map((_, depth) => `${segments.slice(0, depth + 1).join('/')}/*`);
  return [channel, ...prefixes.reverse(), '*'];
}

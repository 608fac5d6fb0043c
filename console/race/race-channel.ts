/**
 * The channel of a race: one of its own, where the token allows publishing and reading.
 * @module
 */

interface Claims {
  readonly capability: Readonly<Record<string, unknown>> | undefined;
  readonly tenant: string | undefined;
}

/** A channel for a race. */
export interface RaceChannel {
  /** Its name. */
  readonly channel: string;
  /** True if the channel is the race's own, and so may be removed after it. */
  readonly isOwn: boolean;
}

const NEEDED = ['publish', 'subscribe'];

/** Returns a channel that the token may use. If there is none, the hub refuses the race, and the page says so. */
export function raceChannel({ capability, tenant }: Claims, name: string): RaceChannel {
  const below = tenant === undefined ? '' : `${tenant}/`;
  const patterns = Object.entries(capability ?? { '*': NEEDED })
    .filter(([, operations]) => Array.isArray(operations) && NEEDED.every((one) => operations.includes(one)))
    .map(([pattern]) => pattern)
    .filter((pattern) => pattern === '*' || pattern.startsWith(below));
  const open = patterns.filter((pattern) => pattern.endsWith('*')).toSorted((a, b) => a.length - b.length);
  const [widest] = open;
  if (widest !== undefined && widest !== '*')
    return { channel: `${widest.slice(0, -1)}race-${name}`, isOwn: true };
  const [named] = patterns;
  if (widest === undefined && named !== undefined) return { channel: named, isOwn: false };
  return { channel: `${below}race/${name}`, isOwn: true };
}

/**
 * Names to addresses.
 * @module
 */
import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { isLocalhost } from './target.ts';

/** All addresses of a name. May throw whatever it likes: the name has none then. */
export type Resolve = (name: string) => Promise<readonly LookupAddress[]>;

/**
 * How long a name server may take, in milliseconds, and how often it is asked; c-ares doubles the time with each turn.
 * The 6 s are well below DELIVERY_TIMEOUT_MS, so that what ails a name is told from what ails a server.
 */
const ANSWER_MS = 2_000;
const TRIES = 2;

/** RFC 6761 §6.3: they are answered without asking anybody. */
const LOOPBACK: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

/**
 * Asks name servers itself, by c-ares. The look-up of the operating system holds one of the four threads of the process
 * while it waits, so that four names on a slow name server would stop every delivery; it also goes by /etc/hosts and
 * search domains, which are none of a subscriber's business.
 * https://nodejs.org/api/dns.html#implementation-considerations
 * @param servers addresses of name servers, with or without a port; those of the machine if it does not say
 */
export function resolverBy(servers?: readonly string[]): Resolve {
  const resolver = new Resolver({ timeout: ANSWER_MS, tries: TRIES });
  if (servers) resolver.setServers(servers);
  return async (name) => {
    if (isLocalhost(name)) return LOOPBACK;
    const [v4, v6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const found = [...addressesOf(v4, 4), ...addressesOf(v6, 6)];
    if (found.length === 0 && v4.status === 'rejected') throw v4.reason;
    return found;
  };
}

const addressesOf = (answer: PromiseSettledResult<string[]>, family: 4 | 6): LookupAddress[] =>
  answer.status === 'fulfilled' ? answer.value.map((address) => ({ address, family })) : [];

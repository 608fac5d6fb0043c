/**
 * Resolves names to addresses.
 * @module
 */
import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { isLocalhost } from './target.ts';

/** Returns all addresses of a name. May throw any error, which means that the name has no address. */
export type Resolve = (name: string) => Promise<readonly LookupAddress[]>;

/**
 * The time limit for a name server's answer, in milliseconds, and how often it is asked. c-ares doubles the limit each time.
 * The sum of 6 s is well below DELIVERY_TIMEOUT_MS, so that a failure of the name is not mistaken for one of the server.
 */
const ANSWER_MS = 2_000;
const TRIES = 2;

/** The addresses of `localhost` names. RFC 6761 §6.3: no name server is asked for them. */
const LOOPBACK: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

/**
 * Returns a resolver that asks name servers itself, by c-ares. The look-up of the operating system holds one of the four
 * threads of the process while it waits. Four names on a slow name server would then stop every delivery. It also uses
 * /etc/hosts and search domains, which a subscriber must not reach.
 * https://nodejs.org/api/dns.html#implementation-considerations
 * @param servers addresses of name servers, with or without a port; by default those of the machine
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

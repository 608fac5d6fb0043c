/**
 * The guard: opens sockets to allowed addresses, and to no others. It stands where the socket is made: a check that is
 * made earlier is of an answer that the name server may give differently the next time (DNS rebinding).
 * @module
 */
import type { LookupAddress } from 'node:dns';
import { type AgentOptions, type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIPv6, type LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';
import { rootCertificates } from 'node:tls';
import { buildConnector } from 'undici';
import { Refusal } from '../../../protocol/errors.ts';
import { OutboundFailure, outboundFailure } from './outbound-failure.ts';
import type { Resolve } from './resolve.ts';
import { isAllowedTarget, parseTarget, type TargetRules } from './target.ts';

export interface GuardSettings {
  readonly rules: TargetRules;
  readonly resolve: Resolve;
  /** How long to connect may take, from the look-up on, in milliseconds; and up to a second more. */
  readonly timeoutMs: number;
  /** In PEM form, trusted beside those that Node brings. */
  readonly ca?: string | undefined;
}

/**
 * How long an idle socket is kept, in milliseconds: deliveries in a row share a handshake. Servers mostly keep theirs
 * for 5 s and more, and a request on a socket that is just being closed would be a failure of nobody's.
 */
const KEEP_ALIVE_MS = 2_000;

/**
 * How long one of several addresses is tried before the next, in milliseconds. Node's own 250 ms give up a server on
 * the other side of the world, for good if the next is an IPv6 address that Lambda has no route to.
 */
const ADDRESS_MS = 2_500;

/** Addresses of a name that are tried. It may have thousands, and the hub would knock on the doors of all of them. */
const MAX_ADDRESSES = 8;

/** The agents of both schemes. Every socket that they use has passed the guard. */
export interface GuardedAgents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

export function guardedAgents(settings: GuardSettings): GuardedAgents {
  const dial = guardedDial(settings);
  // A server may ask for less time than this, and not for more: it would keep a socket of the process.
  const options: AgentOptions = { keepAlive: true, timeout: KEEP_ALIVE_MS };
  return {
    http: Object.assign(new HttpAgent(options), { createConnection: connectingBy(dial, 'http:') }),
    https: Object.assign(new HttpsAgent(options), { createConnection: connectingBy(dial, 'https:') }),
  };
}

type Dial = buildConnector.connector;

/** A host that is an address never gets to a look-up, so a guard there alone is passed by `http://127.0.0.1/`. */
function guardedDial({ rules, resolve, timeoutMs, ca }: GuardSettings): Dial {
  const dial = buildConnector({
    lookup: guardedLookup(rules, resolve),
    timeout: timeoutMs,
    allowH2: false,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ADDRESS_MS,
    // Spelled out, so that NODE_TLS_REJECT_UNAUTHORIZED=0 does not reach here.
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
  });
  return (target, connected) => {
    const { protocol, host = target.hostname } = target;
    const fail = (error: Error) => connected(outboundFailure(error, protocol === 'https:'), null);
    try {
      parseTarget(`${protocol}//${host}`, rules);
    } catch (error) {
      const refused = error instanceof Refusal ? error.message : `the URL of ${host} cannot be judged`;
      fail(new OutboundFailure('blocked', refused, error));
      return;
    }
    dial(target, (error, socket) => (error ? fail(error) : connected(null, socket)));
  };
}

/** What an agent of Node asks for its sockets. https://nodejs.org/api/http.html#agentcreateconnectionoptions-callback */
type CreateConnection = (
  options: ClientRequestArgs,
  connected: (error: Error | null, socket?: Duplex) => void,
) => undefined;

function connectingBy(dial: Dial, protocol: 'http:' | 'https:'): CreateConnection {
  return ({ host, port }, connected) => {
    const hostname = host ?? '';
    const place = `${isIPv6(hostname) ? `[${hostname}]` : hostname}:${port}`;
    dial({ hostname, host: place, protocol, port: String(port) }, (error, socket) =>
      connected(error, socket ?? undefined),
    );
  };
}

/** Looks a name up once for each socket, and hands it the very addresses that were checked. */
function guardedLookup(rules: TargetRules, resolve: Resolve): LookupFunction {
  return (name, { all }, found) => {
    resolve(name).then(
      (addresses) => {
        const failure = failureOf(name, addresses, rules);
        const [first] = addresses;
        if (failure || !first) found(failure ?? null, '');
        else if (all) found(null, addresses.slice(0, MAX_ADDRESSES));
        else found(null, first.address, first.family);
      },
      (error) => found(new OutboundFailure('dns_error', `${name} cannot be looked up`, error), ''),
    );
  };
}

/** One bad address condemns the name: a socket tries them in turn, so that good ones beside it prove nothing. */
function failureOf(
  name: string,
  addresses: readonly LookupAddress[],
  rules: TargetRules,
): OutboundFailure | undefined {
  if (addresses.length === 0) return new OutboundFailure('dns_error', `${name} has no address`);
  const bad = addresses.find(({ address }) => !isAllowedTarget(address, rules));
  return bad && new OutboundFailure('blocked', `${name} is at ${bad.address}, which is no public address`);
}

/**
 * The guard: opens sockets to allowed addresses only. It checks the address at the moment when the socket is made. After an
 * earlier check, the name server could answer with another address (DNS rebinding).
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

/** The settings of the guard. */
export interface GuardSettings {
  /** Which addresses are allowed. */
  readonly rules: TargetRules;
  /** Resolves names. */
  readonly resolve: Resolve;
  /** The time limit for connecting, from the look-up on, in milliseconds. It may take up to a second longer. */
  readonly timeoutMs: number;
  /** A certificate in PEM form, trusted in addition to those of Node. */
  readonly ca?: string | undefined;
}

/**
 * How long an idle socket is kept, in milliseconds, so that deliveries in a row share one TLS handshake. Most servers keep
 * a socket for 5 s or more. A request on a socket that the server is closing would fail without a fault of either side.
 */
const KEEP_ALIVE_MS = 2_000;

/**
 * How long one of several addresses is tried before the next, in milliseconds. Node's default of 250 ms is too short for a
 * distant server. The attempt would then fail if the next address is an IPv6 address, to which Lambda has no route.
 */
const ADDRESS_MS = 2_500;

/** Addresses of a name that are tried. A name may have thousands, and the hub could be used to contact all of them. */
const MAX_ADDRESSES = 8;

/** The agents of both schemes. Every socket that they use has passed the guard. */
export interface GuardedAgents {
  /** The agent for URLs with the scheme `http`. */
  readonly http: HttpAgent;
  /** The agent for URLs with the scheme `https`. */
  readonly https: HttpsAgent;
}

/** Returns the agents. A request through them fails with an OutboundFailure if there is no connection. */
export function guardedAgents(settings: GuardSettings): GuardedAgents {
  const connect = guardedConnector(settings);
  // A server may ask for a shorter time but not for a longer one, which would occupy a socket of the process.
  const options: AgentOptions = { keepAlive: true, timeout: KEEP_ALIVE_MS };
  return {
    http: Object.assign(new HttpAgent(options), { createConnection: connectionsBy(connect, 'http:') }),
    https: Object.assign(new HttpsAgent(options), { createConnection: connectionsBy(connect, 'https:') }),
  };
}

type Connector = buildConnector.connector;

/**
 * A host that is an address is never looked up. So the check in the look-up alone would let `http://127.0.0.1/` pass.
 */
function guardedConnector({ rules, resolve, timeoutMs, ca }: GuardSettings): Connector {
  const connect = buildConnector({
    lookup: guardedLookup(rules, resolve),
    timeout: timeoutMs,
    allowH2: false,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ADDRESS_MS,
    // Set here, so that NODE_TLS_REJECT_UNAUTHORIZED=0 has no effect.
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
    connect(target, (error, socket) => (error ? fail(error) : connected(null, socket)));
  };
}

/**
 * The function that an agent of Node calls for a socket.
 * https://nodejs.org/api/http.html#agentcreateconnectionoptions-callback
 */
type CreateConnection = (
  options: ClientRequestArgs,
  connected: (error: Error | null, socket?: Duplex) => void,
) => undefined;

function connectionsBy(connect: Connector, protocol: 'http:' | 'https:'): CreateConnection {
  return ({ host, port }, connected) => {
    const hostname = host ?? '';
    const hostAndPort = `${isIPv6(hostname) ? `[${hostname}]` : hostname}:${port}`;
    connect({ hostname, host: hostAndPort, protocol, port: String(port) }, (error, socket) =>
      connected(error, socket ?? undefined),
    );
  };
}

/** Looks a name up once for each socket, and gives the socket the same addresses that were checked. */
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

/**
 * Returns the failure if any address is not allowed: a socket tries all of them, so the other addresses prove nothing.
 */
function failureOf(
  name: string,
  addresses: readonly LookupAddress[],
  rules: TargetRules,
): OutboundFailure | undefined {
  if (addresses.length === 0) return new OutboundFailure('dns_error', `${name} has no address`);
  const bad = addresses.find(({ address }) => !isAllowedTarget(address, rules));
  return bad && new OutboundFailure('blocked', `${name} is at ${bad.address}, which is not a public address`);
}

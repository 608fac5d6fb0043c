/**
 * One measurement of the fan-out, in a process of its own: `node fanout-posts.ts <way> <endpoint>` posts one frame to
 * POSTS connections in one of the ways, and tells its parent what that took.
 * @module
 */
import type { AgentOptions } from 'node:https';
import {
  ApiGatewayManagementApiClient,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import { connectionSlotsTo } from '../../lambda/aws/sockets/connection-slot.ts';
import { encodeSegment, hashOf, signer } from '../../lambda/aws/sockets/sigv4.ts';
import {
  connectionsInApiGateway,
  DEFAULT_IN_FLIGHT,
  POST_TIMEOUT_MS,
} from '../../lambda/aws/sockets/socket-poster.ts';
import { FRAME, POSTS, type Taken } from './fanout.ts';
import { CREDENTIALS, REGION } from './gateway-caller.ts';

/** Posts to connect the sockets and warm the compiler up. */
const WARM_UP = 2_000;

/** More than can be sent: the pace is kept, and holds nobody up. */
const PER_SECOND = 1_000_000;

/** Longer than any run, in milliseconds: all that a wait for a socket would get is a warning. */
const NO_WARNING_MS = 600_000;

type Way = (endpoint: string) => (connection: string) => Promise<unknown>;

const WAYS: Readonly<Record<string, Way>> = { ours, idiom, tuned, floor, signature };

function ours(endpoint: string) {
  const settings = { endpoint, region: REGION, credentials: CREDENTIALS };
  const connections = connectionsInApiGateway({
    ...settings,
    inFlight: DEFAULT_IN_FLIGHT,
    perSecond: PER_SECOND,
  });
  return (connection: string) => connections.post(connection, FRAME);
}

function idiom(endpoint: string, httpsAgent: AgentOptions = {}) {
  // The SDK warns of posts that wait for sockets, which is what they are to do here.
  const requestHandler = { httpsAgent, socketAcquisitionWarningTimeout: NO_WARNING_MS };
  const settings = { endpoint, region: REGION, credentials: CREDENTIALS };
  const client = new ApiGatewayManagementApiClient({ ...settings, requestHandler });
  return (connection: string) =>
    client.send(new PostToConnectionCommand({ ConnectionId: connection, Data: FRAME }));
}

/** The idiom with as many sockets as ours. */
function tuned(endpoint: string) {
  return idiom(endpoint, { maxSockets: DEFAULT_IN_FLIGHT, keepAlive: true });
}

/** The sockets of ours and what goes over them, byte for byte as much, with a signature that was made once. */
function floor(endpoint: string) {
  const { origin, pathname } = new URL(endpoint);
  const body = Buffer.from(FRAME);
  const headers = signerFor(endpoint)(pathname, hashOf(body));
  const openLane = connectionSlotsTo(origin, POST_TIMEOUT_MS);
  const waiting: { path: string; done: () => void }[] = [];
  const lanes = Array.from({ length: DEFAULT_IN_FLIGHT }, () => {
    const lane: { done: (() => void) | undefined } = { done: undefined };
    const send = openLane((answer) => {
      if (answer !== 200) throw new Error(`the gateway answered ${answer}`);
      lane.done?.();
      next();
    });
    const next = (): void => {
      const post = waiting.pop();
      lane.done = post?.done;
      if (post) send(post.path, headers, body);
    };
    return { lane, next };
  });
  return (connection: string) =>
    new Promise<void>((done) => {
      waiting.push({ path: `${pathname}/@connections/${encodeSegment(connection)}`, done });
      lanes.find(({ lane }) => !lane.done)?.next();
    });
}

/** Nothing but the signatures. */
function signature(endpoint: string) {
  const { pathname } = new URL(endpoint);
  const sign = signerFor(endpoint);
  const hash = hashOf(Buffer.from(FRAME));
  return async (connection: string) => sign(`${pathname}/@connections/${encodeSegment(connection)}`, hash);
}

function signerFor(endpoint: string) {
  const { host } = new URL(endpoint);
  return signer({ credentials: CREDENTIALS, region: REGION, service: 'execute-api', host, clock: Date.now });
}

/** Such as API Gateway gives: 12 random bytes in base64url and a padding that must be encoded. */
const connectionsOf = (count: number, from: number): string[] =>
  Array.from({ length: count }, (_, n) => `Zk${String(from + n).padStart(9, 'a')}cFxhMCA=`);

async function measure(post: (connection: string) => Promise<unknown>): Promise<Taken> {
  await Promise.all(connectionsOf(WARM_UP, POSTS).map(post));
  const connections = connectionsOf(POSTS, 0);
  const waits: number[] = [];
  const cpu = process.cpuUsage();
  const started = performance.now();
  const timed = async (connection: string): Promise<void> => {
    const called = performance.now();
    await post(connection);
    waits.push(performance.now() - called);
  };
  await Promise.all(connections.map(timed));
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  waits.sort((a, b) => a - b);
  return { seconds, cpuMicros: (user + system) / POSTS, waitMs: waits[POSTS / 2] ?? Number.NaN };
}

if (import.meta.main) {
  const [name = '', endpoint = ''] = process.argv.slice(2);
  const way = WAYS[name];
  if (!way) throw new Error(`there is no way ${name}`);
  process.send?.(await measure(way(endpoint)));
  process.disconnect();
}

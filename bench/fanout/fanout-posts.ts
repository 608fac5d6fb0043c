/**
 * One measurement of the fan-out, in its own process: `node fanout-posts.ts <way> <endpoint>` posts one frame to POSTS
 * connections in one of the ways, and sends its parent the result.
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
import { FRAME, type Measurement, POSTS } from './fanout.ts';
import { CREDENTIALS, REGION } from './gateway-caller.ts';

/** Posts that open the sockets and warm the compiler up. */
const WARM_UP = 2_000;

/** More than can be sent, so that the rate limiter runs, and delays no post. */
const PER_SECOND = 1_000_000;

/** Longer than any run, in milliseconds, because a wait for a socket only causes a warning. */
const NO_WARNING_MS = 600_000;

type Way = (endpoint: string) => (connection: string) => Promise<unknown>;

const WAYS: Readonly<Record<string, Way>> = { ours, sdk, tuned, floor, signature };

/** Posts with the hub's poster. */
function ours(endpoint: string) {
  const settings = { endpoint, region: REGION, credentials: CREDENTIALS };
  const connections = connectionsInApiGateway({
    ...settings,
    inFlight: DEFAULT_IN_FLIGHT,
    perSecond: PER_SECOND,
  });
  return (connection: string) => connections.post(connection, FRAME);
}

/** Posts with the SDK: a `client.send` for each connection. */
function sdk(endpoint: string, httpsAgent: AgentOptions = {}) {
  // The SDK warns about posts that wait for sockets. Here they are meant to wait.
  const requestHandler = { httpsAgent, socketAcquisitionWarningTimeout: NO_WARNING_MS };
  const settings = { endpoint, region: REGION, credentials: CREDENTIALS };
  const client = new ApiGatewayManagementApiClient({ ...settings, requestHandler });
  return (connection: string) =>
    client.send(new PostToConnectionCommand({ ConnectionId: connection, Data: FRAME }));
}

/** Posts with the SDK, with as many sockets as the hub's poster. */
function tuned(endpoint: string) {
  return sdk(endpoint, { maxSockets: DEFAULT_IN_FLIGHT, keepAlive: true });
}

/** Posts with the same sockets and bytes as the hub's poster, but with one signature for all posts. */
function floor(endpoint: string) {
  const { origin, pathname } = new URL(endpoint);
  const body = Buffer.from(FRAME);
  const headers = signerFor(endpoint)(pathname, hashOf(body));
  const openSlot = connectionSlotsTo(origin, POST_TIMEOUT_MS);
  const waiting: { path: string; done: () => void }[] = [];
  const slots = Array.from({ length: DEFAULT_IN_FLIGHT }, () => {
    const slot: { done: (() => void) | undefined } = { done: undefined };
    const send = openSlot((answer) => {
      if (answer !== 200) throw new Error(`the gateway answered ${answer}`);
      slot.done?.();
      next();
    });
    const next = (): void => {
      const post = waiting.pop();
      slot.done = post?.done;
      if (post) send(post.path, headers, body);
    };
    return { slot, next };
  });
  return (connection: string) =>
    new Promise<void>((done) => {
      waiting.push({ path: `${pathname}/@connections/${encodeSegment(connection)}`, done });
      slots.find(({ slot }) => !slot.done)?.next();
    });
}

/** Only signs, and posts nothing. */
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

/** Ids as API Gateway makes them: 12 random bytes in base64url, and a padding that must be encoded. */
const connectionsOf = (count: number, from: number): string[] =>
  Array.from({ length: count }, (_, n) => `Zk${String(from + n).padStart(9, 'a')}cFxhMCA=`);

async function measure(post: (connection: string) => Promise<unknown>): Promise<Measurement> {
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

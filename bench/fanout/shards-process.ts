/**
 * One shard, in its own process: `node shards-process.ts <endpoint> <shard> <shards>` pushes one message for each
 * message of its parent, and sends it the result.
 * @module
 */
import { createHash } from 'node:crypto';
import { connectionsInApiGateway, DEFAULT_IN_FLIGHT } from '../../lambda/aws/sockets/socket-poster.ts';
import { pushMemory } from '../../lambda/hub/push/push-memory.ts';
import type { Subscriber } from '../../lambda/hub/push/push-ports.ts';
import { pushShard } from '../../lambda/hub/push/push-shard.ts';
import { shardOf } from '../../lambda/hub/push/subscribe.ts';
import { CREDENTIALS, REGION } from './gateway-caller.ts';
import { CONNECTIONS, MESSAGE, type PushMeasurement } from './shards.ts';
import { logOf, membersOf, noConnections, noJobs, noLookup, noWaits, oneCursor } from './shards-stores.ts';

/** The rate of each process of a deployed hub (lib/config/config.ts). */
const POSTS_PER_SECOND = 10_000;

/** The time limit of a push on Lambda, in milliseconds. */
const INVOCATION_MS = 25_000;

/**
 * The time limit of one post, in milliseconds. It is longer than in a hub: when all processes open their sockets at
 * once, the few cores of this machine are busy with handshakes for seconds. That must not look like a gateway that does
 * not answer.
 */
const TIMEOUT_MS = 60_000;

const CHANNEL = 'bench/shards';
const PATTERN = 'bench/*';

/** Ids as API Gateway makes them: 15 characters of base64, and a padding. */
const connectionId = (n: number): string =>
  `${createHash('sha256').update(String(n)).digest('base64url').slice(0, 15)}=`;

const bytesToMb = (bytes: number): number => bytes / 1_024 ** 2;

function serve(endpoint: string, shard: number, shards: number): void {
  const idleMb = bytesToMb(process.memoryUsage.rss());
  const ids = Array.from({ length: CONNECTIONS }, (_, n) => connectionId(n));
  const mine = ids.filter((id) => shardOf(id, shards) === shard);
  const poster = connectionsInApiGateway({
    endpoint,
    region: REGION,
    credentials: CREDENTIALS,
    inFlight: DEFAULT_IN_FLIGHT,
    perSecond: POSTS_PER_SECOND,
    timeoutMs: TIMEOUT_MS,
  });
  let posts = 0;
  let lastAt = 0;
  const counted: typeof poster = {
    ...poster,
    async post(connection, frame) {
      const posted = await poster.post(connection, frame);
      posts++;
      lastAt = Date.now();
      return posted;
    },
  };
  const log = logOf(CHANNEL);
  const watch = { delivered() {}, lag() {} };
  const push = {
    log,
    connections: noConnections,
    subscriptions: membersOf(mine),
    waits: noWaits,
    cursors: oneCursor(),
    lookup: noLookup,
    memory: pushMemory<Subscriber>(),
    poster: counted,
    jobs: noJobs,
    watch,
  };
  const pushOne = async (): Promise<PushMeasurement> => {
    posts = 0;
    log.publish(MESSAGE);
    const cpu = process.cpuUsage();
    const until = log.clock() + INVOCATION_MS;
    const task = { offset: undefined, isClosing: false, shards, attempt: 0, until };
    await pushShard(push, { ...task, shard: { channel: CHANNEL, pattern: PATTERN, shard } });
    const { user, system } = process.cpuUsage(cpu);
    const residentMb = bytesToMb(process.memoryUsage.rss());
    return { posts, lastAt, cpuMs: (user + system) / 1_000, residentMb, idleMb };
  };
  process.on('message', async () => process.send?.(await pushOne()));
  process.on('disconnect', () => process.exit());
  process.send?.({ members: mine.length });
}

if (import.meta.main) {
  const [endpoint = '', shard, shards] = process.argv.slice(2);
  serve(endpoint, Number(shard), Number(shards));
}

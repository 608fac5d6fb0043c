/**
 * The push and its surroundings in virtual time: a queue that doubles and reorders, sockets that fail, processes that die at a chosen
 * call, and clients that check every frame by the gap rule (PROTOCOL.md §12.3).
 * @module
 */

import type { SendHint } from '../../../lambda/hub/log/log-ports.ts';
import type { From } from '../../../lambda/hub/log/read-log.ts';
import { type Disconnecting, onDisconnectRequest } from '../../../lambda/hub/push/disconnect.ts';
import { type Hint, onHint, onJob } from '../../../lambda/hub/push/on-hint.ts';
import { pushMemory } from '../../../lambda/hub/push/push-memory.ts';
import type {
  Closed,
  Connection,
  DisconnectQueue,
  DisconnectRequest,
  Posted,
  Push,
  PushWatch,
  Shard,
  Subscriber,
} from '../../../lambda/hub/push/push-ports.ts';
import { type Subscribed, subscribe } from '../../../lambda/hub/push/subscribe.ts';
import { Refusal } from '../../../protocol/errors.ts';
import { formatOffset, parseOffset } from '../../../protocol/offset.ts';
import { type Lateness, lateWrites } from './late-writes.ts';
import { hooked, type MemoryLog, memoryLog } from './memory-log.ts';
import { type MemoryListeners, memoryListeners } from './memory-subscribers.ts';
import { type Client, type FrameRules, receive } from './push-client.ts';
import { type VirtualTime, virtualTime } from './virtual-time.ts';

const never = new AbortController().signal;

/** Writes that may be carried out late. */
const CONNECTION_WRITES = ['note', 'unnote'];
const SUBSCRIPTION_WRITES = ['open', 'noteChange', 'add', 'move', 'remove', 'expire'];
const CURSOR_WRITES = ['take', 'ask', 'guard', 'commit', 'release', 'abandon'];

/** Visibility timeout of the queue on AWS, in milliseconds. */
const REDELIVERY_MS = 90_000;
const PROCESS_MS = 10_000;
/** Longest delay of a queue, in milliseconds. */
const MAX_DELAY_MS = 900_000;

export interface WorldOptions {
  readonly random: () => number;
  /** Longest latency of a store call and of a post, in milliseconds. */
  readonly latencyMs?: number;
  /** Part of the messages that the queue delivers twice. */
  readonly duplicates?: number;
  /** Processes among which the queue divides its messages at random. */
  readonly processes?: number;
  /** Returns the result of a post; 'unsure' arrives every other time. */
  readonly posted?: () => Posted;
}

export interface World extends Lateness, FrameRules {
  readonly log: MemoryLog;
  readonly time: VirtualTime;
  readonly listeners: MemoryListeners;
  readonly clients: Map<string, Client>;
  readonly client: (more?: Partial<Connection>) => Promise<Client>;
  readonly subscribe: (
    client: Client,
    pattern: string,
    from: From,
    isConflated?: boolean,
  ) => Promise<Subscribed>;
  /** Ends when the queue is empty and no process is at work, or after that much virtual time. */
  readonly idle: (mostMs?: number) => Promise<void>;
  readonly sleep: (ms: number) => Promise<void>;
  /** The process that makes the nth call from now on dies at it. */
  crashAt: number | undefined;
  /** Number of calls since `crashAt` was set. */
  calls: number;
  posts: number;
  /** Number of disconnect requests that were sent. */
  requests: number;
  readonly disconnects: DisconnectQueue;
  failures: unknown[];
  /** Part of the calls that are refused as busy, 0 to 1. */
  throttle: number;
  /** Gets what pushes report. */
  watch: PushWatch;
  /** Called for each page of the log that a push reads. */
  onPage: () => void;
  /** Called for each call of a push, with its name, such as `cursors.take`. */
  onCall: (name: string) => void;
  /** Hints that were sent, with their entries. */
  readonly hints: readonly Hint[];
  /** Sends a hint, also one that was sent before. */
  readonly hint: (hint: Hint, delayMs: number) => void;
  /** Part of the hints that are lost, 0 to 1. */
  lost: number;
}

class Crash extends Error {}

type Message = Hint | Shard | DisconnectRequest;

export function pushWorld({
  random,
  latencyMs = 5,
  duplicates = 0,
  processes = 2,
  posted = () => 'sent',
}: WorldOptions): World {
  const time = virtualTime();
  const log = memoryLog();
  const start = log.now;
  Object.defineProperty(log, 'now', { get: () => start + Math.floor(time.now()) });
  const stores = memoryListeners(() => () => {});
  const listeners = { ...stores };
  const clients = new Map<string, Client>();
  const lag = () => time.sleep(Math.floor(random() * latencyMs), never);
  const hints: Hint[] = [];
  let waiting = 0;
  let ids = 0;

  const enqueue = (message: Message, delayMs: number): void => {
    for (let copies = random() < duplicates ? 2 : 1; copies > 0; copies--) {
      waiting++;
      void deliver(message, delayMs + random() * latencyMs * 4);
    }
  };
  const deliver = async (message: Message, delayMs: number): Promise<void> => {
    await time.sleep(delayMs, never);
    const until = log.now + PROCESS_MS;
    try {
      if ('shard' in message) await onJob(process(), message, until);
      else if ('kind' in message) await onDisconnectRequest(process(), message, until);
      else await onHint(process(), message, until);
      waiting--;
    } catch (error) {
      if (!(error instanceof Crash)) world.failures.push(error);
      void deliver(message, REDELIVERY_MS);
    }
  };
  const jobs = {
    async send(sent: readonly Shard[], delayMs: number) {
      for (const job of sent) enqueue(job, delayMs);
    },
  };
  const disconnects = {
    async send(request: DisconnectRequest, delayMs: number) {
      world.requests++;
      enqueue(request, Math.min(Math.max(0, delayMs), MAX_DELAY_MS));
    },
  };
  const close = async (id: string): Promise<Closed> => {
    const client = clients.get(id);
    await lag();
    if (!client || client.isGone) return 'gone';
    const result = (client.posted ?? posted)();
    if (result === 'busy' || result === 'unsure') return 'busy';
    client.isGone = true;
    client.closedAt = log.now;
    await lag();
    return result === 'sent' ? 'closed' : result;
  };
  const post = async (id: string, text: string): Promise<Posted> => {
    const client = clients.get(id);
    await lag();
    const slowMs = client?.slowMs ?? 0;
    if (client) client.slowMs = 0;
    if (slowMs > 0) await time.sleep(slowMs, never);
    world.posts++;
    if (!client || client.isGone) return 'gone';
    const result = (client.posted ?? posted)();
    if (result === 'sent' || (result === 'unsure' && random() < 0.5)) receive(world, client, text);
    if (result === 'gone') client.isGone = true;
    await lag();
    return result;
  };

  /** What each process remembers. It survives an invocation, but no crash. */
  const memories = Array.from({ length: processes }, () => pushMemory<Subscriber>());

  /** Returns the parts of one invocation. All its calls fail from the one at which it dies. */
  const process = (): Push & Disconnecting => {
    const at = Math.floor(random() * processes);
    const memory = memories[at] ?? pushMemory();
    let isDead = false;
    const hook = async (moment: string): Promise<void> => {
      if (moment.startsWith('before ')) world.onCall(moment.slice('before '.length));
      await lag();
      if (!isDead && world.crashAt !== undefined && ++world.calls === world.crashAt) {
        isDead = true;
        memories[at] = pushMemory();
      }
      if (isDead) throw new Crash();
      if (world.throttle > 0 && random() < world.throttle) throw new Refusal('unavailable', 'busy');
    };
    const own = <T extends object>(name: string, store: T) => hooked(name, store, () => hook);
    return {
      log: {
        ...log,
        channels: own('channels', log.channels),
        entries: own('entries', {
          ...log.entries,
          page: (streamId: string, slot: number) => {
            world.onPage();
            return log.entries.page(streamId, slot);
          },
        }),
        clock: () => log.now,
      },
      connections: own('connections', listeners.connections),
      subscriptions: own('subscriptions', listeners.subscriptions),
      waits: own('waits', listeners.waits),
      cursors: own('cursors', listeners.cursors),
      lookup: own('lookup', listeners.lookup),
      memory,
      poster: own('poster', { post, close }),
      jobs: own('jobs', jobs),
      disconnects: own('disconnects', disconnects),
      watch: world.watch,
    };
  };

  const lateness = { time, random, of: () => world };
  Object.assign(listeners, {
    connections: lateWrites(stores.connections, CONNECTION_WRITES, lateness),
    subscriptions: lateWrites(stores.subscriptions, SUBSCRIPTION_WRITES, lateness),
    cursors: lateWrites(stores.cursors, CURSOR_WRITES, lateness),
  });

  log.hook = lag;
  const world: World = {
    log,
    time,
    listeners,
    clients,
    crashAt: undefined,
    calls: 0,
    posts: 0,
    requests: 0,
    disconnects,
    failures: [],
    throttle: 0,
    slow: 0,
    unanswered: 0,
    watch: { delivered() {}, lag() {} },
    onPage() {},
    onCall() {},
    onFrame() {},
    mayJump: () => false,
    hints,
    hint: (hint, delayMs) => enqueue(hint, delayMs),
    lost: 0,
    sleep: (ms) => time.sleep(ms, never),
    async client(more = {}) {
      const id = `socket-${++ids}`;
      const until = log.now + 7_200_000;
      const connection: Connection = {
        id,
        principal: undefined,
        capability: {},
        allowedUntil: undefined,
        since: log.now,
        until,
        subscriptions: {},
        ...more,
      };
      await listeners.connections.add(connection, Number.POSITIVE_INFINITY);
      const client: Client = {
        id,
        connection,
        taken: new Map(),
        next: new Map(),
        frames: [],
        breaks: [],
        dropped: 0,
        isGone: false,
      };
      clients.set(id, client);
      return client;
    },
    async subscribe(client, pattern, from, isConflated = false) {
      const connection = (await listeners.connections.get(client.id)) ?? client.connection;
      const done = await subscribe(
        { log, connections: listeners.connections, subscriptions: listeners.subscriptions, jobs },
        connection,
        { pattern, from, isConflated },
      );
      const { offset } = done;
      if (offset && !client.next.has(pattern)) client.next.set(pattern, formatOffset(offset));
      return done;
    },
    async idle(mostMs = 600_000) {
      const end = time.now() + mostMs;
      while (waiting > 0 && time.now() < end) await time.sleep(50, never);
    },
  };
  Object.defineProperty(log, 'hint', {
    value: async ({ offset, ...hint }: Parameters<SendHint>[0]) => {
      const position = parseOffset(offset);
      if (!position) return;
      hints.push({ ...hint, offset: position });
      if (random() >= world.lost) enqueue({ ...hint, offset: position }, 0);
    },
  });
  return world;
}

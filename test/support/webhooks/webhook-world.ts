/**
 * Webhooks and their surroundings in virtual time: queues that double, reorder and hide messages, endpoints that fail, and
 * processes that die at a chosen call (PROTOCOL.md §13).
 * @module
 */
import { append } from '../../../lambda/hub/log/append.ts';
import type { SendHint } from '../../../lambda/hub/log/log-ports.ts';
import type { Delivery } from '../../../lambda/webhook/delivery/delivery.ts';
import type { DeliveryTask, RangeTask } from '../../../lambda/webhook/delivery/delivery-task.ts';
import { dispatch, type WrittenSlots } from '../../../lambda/webhook/delivery/dispatch-hint.ts';
import { ownerMemory } from '../../../lambda/webhook/delivery/owner-memory.ts';
import { serveEndpoint } from '../../../lambda/webhook/delivery/serve-endpoint.ts';
import type { Endpoint } from '../../../lambda/webhook/endpoint.ts';
import type {
  Delivering,
  Dispatching,
  Notice,
  SecretSealer,
  SendResult,
  WebhookRequest,
} from '../../../lambda/webhook/webhook-ports.ts';
import { Refusal } from '../../../protocol/errors.ts';
import { requestOf } from '../domain/json-log.ts';
import { type Lateness, lateWrites } from '../domain/late-writes.ts';
import { hooked, type MemoryLog, memoryLog } from '../domain/memory-log.ts';
import { type VirtualTime, virtualTime } from '../domain/virtual-time.ts';
import { type MemoryWebhooks, memoryWebhooks, readAheadOf } from './memory-webhooks.ts';
import { Crash, webhookQueues } from './webhook-queues.ts';
import { SECRET } from './webhook-request.ts';

const never = new AbortController().signal;

/** How long a process lives, how long a message can be delayed and hidden, and when a wake is old, in milliseconds. */
const PROCESS_MS = 30_000;
const MAX_DELAY_MS = 15 * 60_000;
const MAX_HIDDEN_MS = 12 * 3_600_000 - 120_000;
const OLD_AFTER_MS = 24 * 3_600_000;

/** The part of the hints that a new process of dispatch handles. */
const NEW_PROCESSES = 0.1;

/** Returns what an endpoint answers to a request; by default 200 after 10 ms. `nth` counts the attempts from 1 on. */
export type Answers = (
  request: WebhookRequest,
  nth: number,
) => Partial<SendResult> & { readonly afterMs?: number };

/** A message that arrived at an endpoint. */
export interface Received extends WebhookRequest {
  /** When it arrived, in milliseconds since 1970. */
  readonly time: number;
}

/** The settings of a world. */
export interface WebhookWorldOptions {
  readonly random: () => number;
  /** Longest latency of a store call, in milliseconds. */
  readonly latencyMs?: number;
  /** The part of the messages that a queue delivers twice, 0 to 1. */
  readonly duplicates?: number;
}

/** The stores, the queues, the endpoints, and the faults of a world. */
export interface WebhookWorld extends MemoryWebhooks, Lateness {
  readonly log: MemoryLog;
  readonly time: VirtualTime;
  /** The messages that arrived at endpoints. */
  readonly received: Received[];
  /** The URLs that were asked for a handshake. */
  readonly asked: string[];
  readonly deadLetters: { readonly endpoint: string; readonly delivery: string }[];
  readonly notices: Notice[];
  /** Answers by URL; a URL without one answers 200. */
  readonly answers: Map<string, Answers>;
  /** Creates an endpoint. */
  readonly endpoint: (more?: Partial<Endpoint>) => Promise<Endpoint>;
  /** Publishes a batch of messages. */
  readonly publish: (channel: string, ...messages: unknown[]) => Promise<void>;
  /** Leaves a task as the handler does, and makes sure that it is done. */
  readonly leaveTask: (endpoint: string, task: DeliveryTask) => Promise<void>;
  /** Sends a wake. */
  readonly wake: (endpoint: string, tasks?: readonly RangeTask[]) => void;
  /** How many messages are in the queues, hidden ones included. */
  readonly queued: () => { readonly dispatch: number; readonly deliver: number };
  /** The deliveries of an endpoint. */
  readonly listed: (endpoint: string) => Delivery[];
  readonly sleep: (ms: number) => Promise<void>;
  /** Waits for a minute by default, after which most work is done. */
  readonly quiet: (ms?: number) => Promise<void>;
  /** The number of the call at which a process dies; undefined for none. */
  crashAt: number | undefined;
  /** How many calls were made since the test set it to 0. */
  calls: number;
  /** The calls of dispatch and deliver, in the order in which they began: `cursors.find`. */
  readonly made: string[];
  /** The calls at which processes died. */
  readonly crashes: string[];
  /** Unexpected errors. */
  readonly failures: unknown[];
  /** The part of the calls that are refused because the called service is busy, 0 to 1. */
  throttle: number;
}

/** A sealer that does not encrypt. The real one has its own tests. */
const openSealer: SecretSealer = {
  seal: async (_endpoint, secrets) => JSON.stringify(secrets),
  open: async (_endpoint, sealed) => JSON.parse(sealed),
  newSecret: () => SECRET,
};

/** Returns a new world. */
export function webhookWorld({ random, latencyMs = 5, duplicates = 0 }: WebhookWorldOptions): WebhookWorld {
  const time = virtualTime();
  const log = memoryLog();
  const start = log.now;
  Object.defineProperty(log, 'now', { get: () => start + Math.floor(time.now()) });
  const lag = () => time.sleep(Math.floor(random() * latencyMs), never);
  const memory = memoryWebhooks(() => () => {});
  const lateness = { time, random, of: () => world };
  const stores = {
    ...memory,
    endpoints: lateWrites(memory.endpoints, ['replace'], lateness),
    deliveries: lateWrites(memory.deliveries, ['putTask', 'removeTask', 'put'], lateness),
    leases: lateWrites(memory.leases, ['ask', 'take', 'commit', 'release'], lateness),
    cursors: lateWrites(memory.cursors, ['move'], lateness),
  };
  const { counts, enqueue } = webhookQueues({
    time,
    random,
    latencyMs,
    duplicates,
    onDefect: (error) => void world.failures.push(error),
  });
  let ids = 0;

  const look = (channel: string, written?: WrittenSlots, afterMs = 0): void =>
    enqueue('dispatch', afterMs, async () => {
      await dispatch(dispatching(), { channel, written }, log.now + PROCESS_MS);
      return undefined;
    });

  const wake = (endpoint: string, tasks: readonly RangeTask[] = [], id = `wake-${++ids}`): void => {
    const sentAt = log.now;
    enqueue('deliver', 0, async (receives) => {
      const isOld = log.now - sentAt > OLD_AFTER_MS || receives > 50;
      const next = await serveEndpoint(delivering(), endpoint, { id, isOld, tasks }, log.now + PROCESS_MS);
      if (next.kind === 'done') return undefined;
      if (next.kind === 'later') return Math.min(MAX_HIDDEN_MS, Math.max(0, next.at - log.now));
      const delayMs = Math.min(MAX_DELAY_MS, Math.max(0, next.at - log.now));
      enqueue('dispatch', delayMs, async () => {
        wake(endpoint, [], next.id);
        return undefined;
      });
      return undefined;
    });
  };
  // As each process of dispatch has one. A new process has forgotten all of it.
  let owners = ownerMemory();

  /** Returns the hook of one process. After the call at which the process dies, every call of it fails. */
  const life = () => {
    let isDead = false;
    const hook = async (moment: string): Promise<void> => {
      const [, call] = moment.split('before ');
      if (call !== undefined) world.made.push(call);
      await lag();
      if (!isDead && world.crashAt !== undefined && ++world.calls === world.crashAt) {
        isDead = true;
        world.crashes.push(moment);
      }
      if (isDead) throw new Crash();
      if (world.throttle > 0 && random() < world.throttle) throw new Refusal('unavailable', 'busy');
    };
    return <T extends object>(name: string, store: T) => hooked(name, store, () => hook);
  };

  const sender = {
    async post(request: WebhookRequest): Promise<SendResult> {
      const nth = world.received.filter(({ id, url }) => id === request.id && url === request.url).length + 1;
      const { afterMs = 10, ...said } = world.answers.get(request.url)?.(request, nth) ?? {};
      await time.sleep(random() * latencyMs, never);
      world.received.push({ ...request, time: log.now });
      await time.sleep(afterMs, never);
      if (said.kind === 'error') return { kind: 'error', error: said.error ?? 'timeout', ms: afterMs };
      return { ...ANSWER, ...said, kind: 'answer', ms: afterMs };
    },
    async askHandshake(url: string): Promise<SendResult> {
      world.asked.push(url);
      const said = world.answers.get(url)?.({ ...NO_REQUEST, url }, 0) ?? {};
      if (said.kind === 'error') return { kind: 'error', error: said.error ?? 'timeout', ms: 1 };
      return { ...ANSWER, ...said, kind: 'answer', ms: 1 };
    },
  };

  const dispatching = (): Dispatching => {
    const own = life();
    if (random() < NEW_PROCESSES) owners = ownerMemory();
    const send = {
      wake: async (endpoint: string, tasks?: readonly RangeTask[]) => wake(endpoint, tasks),
      look: async (channel: string, ms: number) => look(channel, undefined, ms),
    };
    return {
      owners,
      wake: own('queue', send).wake,
      lookAgain: own('queue', send).look,
      log: {
        ...log,
        channels: own('channels', log.channels),
        entries: own('entries', log.entries),
        clock: () => log.now,
      },
      endpoints: own('endpoints', stores.endpoints),
      cursors: own('cursors', stores.cursors),
      deliveries: own('deliveries', stores.deliveries),
      leases: own('leases', stores.leases),
    };
  };

  const readAhead = readAheadOf(log, stores.endpoints);

  const delivering = (): Delivering => {
    const own = life();
    const told = {
      deadLetter: async (endpoint: string, { id }: Delivery) =>
        void world.deadLetters.push({ endpoint, delivery: id }),
      notify: async (notice: Notice) => void world.notices.push(notice),
    };
    return {
      log: { ...log, channels: own('channels', log.channels), entries: own('entries', log.entries) },
      endpoints: own('endpoints', stores.endpoints),
      deliveries: own('deliveries', stores.deliveries),
      leases: own('leases', stores.leases),
      readAhead: own('tables', { readAhead }).readAhead,
      sealer: openSealer,
      sender: own('sender', sender),
      clock: () => log.now,
      timer: time,
      newId: () => `owner-${++ids}`,
      random,
      deadLetter: own('queue', told).deadLetter,
      notify: own('queue', told).notify,
      origin: 'hub.example.com',
    };
  };

  const world: WebhookWorld = {
    ...stores,
    log,
    time,
    received: [],
    asked: [],
    deadLetters: [],
    notices: [],
    answers: new Map(),
    crashAt: undefined,
    calls: 0,
    made: [],
    crashes: [],
    failures: [],
    throttle: 0,
    slow: 0,
    unanswered: 0,
    wake,
    queued: () => ({ ...counts }),
    sleep: (ms) => time.sleep(ms, never),
    listed: (endpoint) => [...stores.deliveriesOf(endpoint).values()],
    async endpoint(more = {}) {
      const id = more.id ?? `ep_${++ids}`;
      const endpoint: Endpoint = {
        id,
        url: `https://${id.replace('_', '')}.example.com/`,
        channels: ['orders/*'],
        types: [],
        format: 'standard',
        description: '',
        rate: undefined,
        status: 'enabled',
        reason: undefined,
        handshake: false,
        principal: undefined,
        createdAt: log.now,
        enabledAt: log.now,
        sealed: JSON.stringify({ current: SECRET, previous: undefined }),
        version: 1,
        ...more,
      };
      await stores.endpoints.create(endpoint);
      for (const pattern of endpoint.channels) await stores.endpoints.listen(id, pattern, log.now);
      return endpoint;
    },
    publish: async (channel, ...messages) => void (await append(log, requestOf(messages, { channel }))),
    async leaveTask(endpoint, task) {
      await stores.deliveries.putTask(endpoint, task);
      if (!(await stores.leases.ask(endpoint, log.now))) wake(endpoint);
    },
    async quiet(ms = 60_000) {
      await time.sleep(ms, never);
    },
  };
  log.hook = lag;
  const hint: SendHint = async ({ channel, entry }) =>
    look(channel, entry && { streamId: entry.streamId, slots: [entry.slot] });
  Object.defineProperty(log, 'hint', { value: hint });
  return world;
}

const ANSWER = {
  kind: 'answer',
  status: 200,
  answer: '',
  retryAfter: undefined,
  allowedOrigin: undefined,
  allowedRate: undefined,
} as const;

const NO_REQUEST: WebhookRequest = { url: '', id: '', at: 0, secrets: [], contentType: '', body: '' };

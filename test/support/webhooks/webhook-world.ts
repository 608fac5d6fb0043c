/**
 * Webhooks and all around them in virtual time: queues that double, reorder and hide, endpoints that fail, and processes
 * that die at a chosen call (PROTOCOL.md §13).
 * @module
 */
import { append } from '../../../lambda/hub/log/append.ts';
import type { Delivery } from '../../../lambda/webhook/delivery/delivery.ts';
import type { DeliveryTask } from '../../../lambda/webhook/delivery/delivery-task.ts';
import { dispatch } from '../../../lambda/webhook/delivery/dispatch-hint.ts';
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
import { type MemoryWebhooks, memoryWebhooks } from './memory-webhooks.ts';

const never = new AbortController().signal;

/** Visibility timeouts of the queues, and how long a process lives, in milliseconds. */
const DISPATCH_AGAIN_MS = 120_000;
const DELIVER_AGAIN_MS = 360_000;
const PROCESS_MS = 30_000;
const MAX_HIDDEN_MS = 12 * 3_600_000 - 120_000;
const OLD_AFTER_MS = 24 * 3_600_000;

export const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

/** What an endpoint says to a request; a number is a status, given after a moment. */
export type Answers = (
  request: WebhookRequest,
  nth: number,
) => Partial<SendResult> & { readonly afterMs?: number };

export interface Received extends WebhookRequest {
  /** When it arrived, in milliseconds since 1970. */
  readonly time: number;
}

export interface WebhookWorldOptions {
  readonly random: () => number;
  /** Longest latency of a store call, in milliseconds. */
  readonly latencyMs?: number;
  /** Part of the messages that a queue delivers twice. */
  readonly duplicates?: number;
}

export interface WebhookWorld extends MemoryWebhooks, Lateness {
  readonly log: MemoryLog;
  readonly time: VirtualTime;
  readonly received: Received[];
  readonly asked: string[];
  readonly deadLetters: { readonly endpoint: string; readonly delivery: string }[];
  readonly notices: Notice[];
  /** By URL; 200 for those that have none. */
  readonly answers: Map<string, Answers>;
  readonly endpoint: (more?: Partial<Endpoint>) => Promise<Endpoint>;
  readonly publish: (channel: string, ...messages: unknown[]) => Promise<void>;
  /** Leaves a task as the door would, and has it done. */
  readonly leave: (endpoint: string, task: DeliveryTask) => Promise<void>;
  readonly wake: (endpoint: string) => void;
  /** Messages in the queues, hidden ones too. */
  readonly queued: () => { readonly dispatch: number; readonly deliver: number };
  readonly listed: (endpoint: string) => Delivery[];
  readonly sleep: (ms: number) => Promise<void>;
  /** Ends when nothing is due before that much virtual time has passed. */
  readonly quiet: (ms?: number) => Promise<void>;
  crashAt: number | undefined;
  calls: number;
  readonly crashes: string[];
  readonly failures: unknown[];
  /** Part of the calls that are refused, since what is called is busy. 0 to 1. */
  throttle: number;
}

class Crash extends Error {}

/** Keeps secrets as they are: what is sealed is tested where it is sealed. */
const openSealer: SecretSealer = {
  seal: async (_endpoint, secrets) => JSON.stringify(secrets),
  open: async (_endpoint, sealed) => JSON.parse(sealed),
  newSecret: () => SECRET,
};

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
  const counts = { dispatch: 0, deliver: 0 };
  let ids = 0;

  /**
   * A message; whoever handles it says when it comes again. Copies are one message, as on AWS: whoever is done deletes it
   * for all, and whoever puts it off hides it.
   */
  const enqueue = (
    queue: 'dispatch' | 'deliver',
    afterMs: number,
    handle: (receives: number) => Promise<number | undefined>,
  ): void => {
    counts[queue]++;
    const message = { deleted: false };
    const deliver = async (receives: number): Promise<void> => {
      if (message.deleted) return;
      let wait: number | undefined;
      try {
        wait = await handle(receives);
      } catch (error) {
        if (!(error instanceof Crash || error instanceof Refusal)) world.failures.push(error);
        wait = queue === 'dispatch' ? DISPATCH_AGAIN_MS : DELIVER_AGAIN_MS;
      }
      if (wait === undefined) {
        if (!message.deleted) counts[queue]--;
        message.deleted = true;
        return;
      }
      if (message.deleted) return;
      await time.sleep(wait, never);
      await deliver(receives + 1);
    };
    void (async () => {
      await time.sleep(afterMs + random() * latencyMs * 4, never);
      if (random() < duplicates) void time.sleep(random() * latencyMs * 4, never).then(() => deliver(1));
      await deliver(1);
    })();
  };

  const look = (channel: string, afterMs = 0): void =>
    enqueue('dispatch', afterMs, async () => {
      await dispatch(dispatching(), channel, log.now + PROCESS_MS);
      return undefined;
    });

  const wake = (endpoint: string): void => {
    const id = `wake-${++ids}`;
    const sentAt = log.now;
    enqueue('deliver', 0, async (receives) => {
      const isOld = log.now - sentAt > OLD_AFTER_MS || receives > 50;
      const next = await serveEndpoint(delivering(), endpoint, { id, isOld }, log.now + PROCESS_MS);
      if (next.kind === 'done') return undefined;
      if (next.kind === 'later') return Math.min(MAX_HIDDEN_MS, Math.max(0, next.at - log.now));
      wake(endpoint);
      return undefined;
    });
  };

  /** The hook of one process: dead from the call on that it was to die at. */
  const life = () => {
    let isDead = false;
    const hook = async (moment: string): Promise<void> => {
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
    return {
      wake: own('queue', { wake: async (endpoint: string) => wake(endpoint) }).wake,
      lookAgain: own('queue', { look: async (channel: string, ms: number) => look(channel, ms) }).look,
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
    async leave(endpoint, task) {
      await stores.deliveries.putTask(endpoint, task);
      if (!(await stores.leases.ask(endpoint, log.now))) wake(endpoint);
    },
    async quiet(ms = 60_000) {
      await time.sleep(ms, never);
    },
  };
  log.hook = lag;
  Object.defineProperty(log, 'hint', { value: async ({ channel }: { channel: string }) => look(channel) });
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

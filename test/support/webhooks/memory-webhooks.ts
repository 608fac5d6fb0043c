/**
 * The stores of webhooks in memory: the promises of the ports in few lines, with a hook around every call.
 * @module
 */
import type { Log } from '../../../lambda/hub/log/log-ports.ts';
import type { Delivery } from '../../../lambda/webhook/delivery/delivery.ts';
import { type DeliveryTask, isAwaited } from '../../../lambda/webhook/delivery/delivery-task.ts';
import type { Endpoint } from '../../../lambda/webhook/endpoint.ts';
import { HEALTHY } from '../../../lambda/webhook/health.ts';
import type { Delivering } from '../../../lambda/webhook/webhook-ports.ts';
import type {
  DeliveryStore,
  DispatchCursor,
  DispatchCursorStore,
  EndpointLeaseStore,
  EndpointState,
  EndpointStore,
} from '../../../lambda/webhook/webhook-stores.ts';
import { isBefore } from '../../../protocol/offset.ts';
import { memoryLeases } from '../domain/memory-leases.ts';
import { type Hook, hooked } from '../domain/memory-log.ts';

/** The stores, and views of their contents. */
export interface MemoryWebhooks {
  readonly endpoints: EndpointStore;
  readonly cursors: DispatchCursorStore;
  readonly deliveries: DeliveryStore;
  readonly leases: EndpointLeaseStore;
  /** The tasks of an endpoint that are not done. */
  readonly tasksOf: (endpoint: string) => ReadonlyMap<string, DeliveryTask>;
  /** The deliveries of an endpoint by their ids. */
  readonly deliveriesOf: (endpoint: string) => ReadonlyMap<string, Delivery>;
}

/** Returns empty stores. @param hook returns the hook that is called around every call */
export function memoryWebhooks(hook: () => Hook): MemoryWebhooks {
  const tasksOf = mapsByName<DeliveryTask>();
  const deliveriesOf = mapsByName<Delivery>();
  const endpoints = endpointStore();
  return {
    endpoints: hooked('endpoints', endpoints, hook),
    cursors: hooked('cursors', cursorStore(endpoints), hook),
    deliveries: hooked('deliveries', deliveryStore(tasksOf, deliveriesOf), hook),
    leases: hooked('leases', leaseStore(), hook),
    tasksOf,
    deliveriesOf,
  };
}

/** Returns the function that reads an endpoint, channels and entries at once. */
export const readAheadOf =
  (log: Pick<Log, 'channels' | 'entries'>, endpoints: Pick<EndpointStore, 'get'>): Delivering['readAhead'] =>
  async (endpoint, channels, entries) => {
    const known = await Promise.all(channels.map((name) => log.channels.get(name)));
    const there = entries.map(async ({ streamId, slot }) => {
      const [entry] = (await log.entries.page(streamId, slot)).entries;
      return entry?.slot === slot ? [{ ...entry, streamId }] : [];
    });
    return {
      endpoint: await endpoints.get(endpoint),
      channels: new Map(known.flatMap((one) => (one ? [[one.name, one] as const] : []))),
      entries: (await Promise.all(there)).flat(),
    };
  };

/** Returns a map for each name, which is created at first use. */
function mapsByName<T>(): (name: string) => Map<string, T> {
  const maps = new Map<string, Map<string, T>>();
  return (name) => {
    const map = maps.get(name) ?? new Map<string, T>();
    maps.set(name, map);
    return map;
  };
}

const byText = (one: string, other: string) => (one < other ? -1 : 1);
const byId = (one: { readonly id: string }, other: { readonly id: string }) => byText(one.id, other.id);

function endpointStore(): EndpointStore {
  const endpoints = new Map<string, Endpoint>();
  const sinceOf = mapsByName<number>();
  return {
    create: async (endpoint) => void endpoints.set(endpoint.id, endpoint),
    get: async (id) => endpoints.get(id),
    async page(after, most) {
      const rest = [...endpoints.values()].sort(byId).filter(({ id }) => id > after);
      return { endpoints: rest.slice(0, most), more: rest.length > most };
    },
    async replace(endpoint) {
      if (endpoints.get(endpoint.id)?.version !== endpoint.version - 1) return false;
      endpoints.set(endpoint.id, endpoint);
      return true;
    },
    remove: async (id) => void endpoints.delete(id),
    async listen(id, pattern, since) {
      sinceOf(pattern).set(id, Math.min(since, sinceOf(pattern).get(id) ?? since));
    },
    async unlisten(id, pattern, by) {
      if ((sinceOf(pattern).get(id) ?? by) <= by) sinceOf(pattern).delete(id);
    },
    async listeners(patterns) {
      const all = patterns.flatMap((pattern) => [...sinceOf(pattern)]);
      // For equal names the last entry counts.
      return new Map(all.sort(([, one], [, other]) => other - one));
    },
  };
}

function cursorStore({ listeners }: EndpointStore): DispatchCursorStore {
  const cursors = new Map<string, DispatchCursor>();
  return {
    find: async (channel, patterns) => ({
      listeners: await listeners(patterns),
      cursor: cursors.get(channel),
    }),
    async move(channel, cursor) {
      const there = cursors.get(channel);
      const isBack = there?.streamId === cursor.streamId && isBefore(cursor.at, there.at);
      if (!isBack) cursors.set(channel, cursor);
    },
  };
}

/** Sorts the tasks that a person waits for first, then by the time. */
const rank = (task: DeliveryTask) =>
  `${isAwaited(task) ? 0 : 1}#${String(task.due).padStart(13, '0')}#${task.id}`;

function deliveryStore(
  tasksOf: (endpoint: string) => Map<string, DeliveryTask>,
  deliveriesOf: (endpoint: string) => Map<string, Delivery>,
): DeliveryStore {
  return {
    putTask: async (endpoint, task) => void tasksOf(endpoint).set(rank(task), task),
    removeTask: async (endpoint, task) => void tasksOf(endpoint).delete(rank(task)),
    async dueTasks(endpoint, now, most) {
      const all = [...tasksOf(endpoint)].sort(([one], [other]) => byText(one, other)).map(([, one]) => one);
      const due = all.filter((task) => isAwaited(task) || task.due <= now);
      return {
        tasks: due.slice(0, most),
        next: due.length > most ? undefined : all[due.length]?.due,
      };
    },
    get: async (endpoint, id) => deliveriesOf(endpoint).get(id),
    async put(endpoint, delivery) {
      const { id, version, writer } = delivery;
      const there = deliveriesOf(endpoint).get(id);
      if (there?.version === version && there.writer === writer) return true;
      if ((there?.version ?? 0) !== version - 1) return false;
      deliveriesOf(endpoint).set(id, delivery);
      return true;
    },
    async page(endpoint, { after, direction, status, most }) {
      const sorted = [...deliveriesOf(endpoint).values()].sort(byId);
      const isForward = direction === 'forward';
      const rest = (isForward ? sorted : sorted.reverse()).filter(
        ({ id }) => after === '' || (isForward ? id > after : id < after),
      );
      const seen = rest.slice(0, most);
      return {
        deliveries: seen.filter((delivery) => status === undefined || delivery.status === status),
        last: seen.length === most ? seen.at(-1)?.id : undefined,
      };
    },
  };
}

const leaseStore = (): EndpointLeaseStore =>
  memoryLeases<string, EndpointState, EndpointState & { readonly isUnclean: boolean }>({
    keyOf: (endpoint) => endpoint,
    blank: { health: HEALTHY, wakeAt: 0, wakeBy: '', isUnclean: false },
    stateOf: ({ health, wakeAt, wakeBy }) => ({ health, wakeAt, wakeBy }),
    takenOf: (row) => row,
    rowOf: (row, isOwned) => ({ ...row, isUnclean: isOwned }),
  }).store;

/**
 * The stores of webhooks in memory: the promises of the ports in few lines, with a hook around every call.
 * @module
 */
import type { Lease } from '../../../lambda/hub/push/push-ports.ts';
import type { Delivery } from '../../../lambda/webhook/delivery/delivery.ts';
import { type DeliveryTask, isAwaited } from '../../../lambda/webhook/delivery/delivery-task.ts';
import type { Endpoint } from '../../../lambda/webhook/endpoint.ts';
import { HEALTHY } from '../../../lambda/webhook/health.ts';
import type {
  DeliveryStore,
  DispatchCursor,
  DispatchCursorStore,
  EndpointState,
  EndpointStore,
  LeaseStore,
} from '../../../lambda/webhook/webhook-stores.ts';
import { isBefore } from '../../../protocol/offset.ts';
import { type Hook, hooked } from '../domain/memory-log.ts';
import { LATE_MS } from '../domain/memory-subscribers.ts';

/** The stores, and views of their contents. */
export interface MemoryWebhooks {
  readonly endpoints: EndpointStore;
  readonly cursors: DispatchCursorStore;
  readonly deliveries: DeliveryStore;
  readonly leases: LeaseStore;
  /** The tasks of an endpoint that are not done. */
  readonly tasksOf: (endpoint: string) => ReadonlyMap<string, DeliveryTask>;
  /** The deliveries of an endpoint by their ids. */
  readonly deliveriesOf: (endpoint: string) => ReadonlyMap<string, Delivery>;
}

/** Returns empty stores. @param hook returns the hook that is called around every call */
export function memoryWebhooks(hook: () => Hook): MemoryWebhooks {
  const tasksOf = mapsByName<DeliveryTask>();
  const deliveriesOf = mapsByName<Delivery>();
  return {
    endpoints: hooked('endpoints', endpointStore(), hook),
    cursors: hooked('cursors', cursorStore(), hook),
    deliveries: hooked('deliveries', deliveryStore(tasksOf, deliveriesOf), hook),
    leases: hooked('leases', leaseStore(), hook),
    tasksOf,
    deliveriesOf,
  };
}

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

function cursorStore(): DispatchCursorStore {
  const cursors = new Map<string, DispatchCursor>();
  return {
    get: async (channel) => cursors.get(channel),
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

/** Only the state. A caller may pass a taken row, which must not bring back its old owner. */
const stateOf = ({ health, wakeAt, wakeBy }: EndpointState): EndpointState => ({ health, wakeAt, wakeBy });

function leaseStore(): LeaseStore {
  interface Row extends EndpointState {
    readonly owner?: string;
    /** The last owner that released the lease. */
    readonly left?: string;
    readonly freedAt: number;
    readonly until: number;
    readonly asks: number;
  }
  const rows = new Map<string, Row>();
  const rowOf = (endpoint: string): Row =>
    rows.get(endpoint) ?? { health: HEALTHY, wakeAt: 0, wakeBy: '', until: 0, asks: 0, freedAt: 0 };
  const isHeld = (row: Row, { owner, until }: Lease) => row.owner === owner && row.until === until;
  return {
    async ask(endpoint, now) {
      const row = rowOf(endpoint);
      rows.set(endpoint, { ...row, asks: row.asks + 1 });
      if (row.owner === undefined || row.until <= now) return undefined;
      return { owner: row.owner, until: row.until, wakeBy: row.wakeBy };
    },
    async take(endpoint, lease, now) {
      const row = rowOf(endpoint);
      const isTaken = row.owner !== undefined && row.until > now && !isHeld(row, lease);
      if (isTaken || row.left === lease.owner || row.freedAt > now + LATE_MS) return undefined;
      rows.set(endpoint, { ...row, ...lease });
      return { ...stateOf(row), asks: row.asks };
    },
    async commit(endpoint, lease, state, until) {
      const row = rowOf(endpoint);
      if (isHeld(row, { ...lease, until })) return row.asks;
      if (!isHeld(row, lease)) return undefined;
      rows.set(endpoint, { ...row, ...stateOf(state), until });
      return row.asks;
    },
    async release(endpoint, lease, state, asks, now) {
      const { owner, ...row } = rowOf(endpoint);
      if (owner === undefined) return 'released';
      if (!isHeld({ ...row, owner }, lease)) return 'lost';
      if (asks !== undefined && row.asks !== asks) return 'asked';
      rows.set(endpoint, { ...row, ...stateOf(state), until: 0, left: owner, freedAt: now });
      return 'released';
    },
    health: async (endpoint) => rowOf(endpoint).health,
  };
}

/**
 * The stores of the webhook domain, which are ports: endpoints, dispatch cursors, tasks and deliveries, and leases.
 * All times are milliseconds since 1970. All reads see every write that was answered before.
 * Every method may throw a Refusal `unavailable` when the store is busy.
 * @module
 */
import type { Position } from '../../protocol/offset.ts';
import type { LeaseRow, LeaseStore } from '../hub/lease.ts';
import type { Delivery, DeliveryStatus } from './delivery/delivery.ts';
import type { DeliveryTask } from './delivery/delivery-task.ts';
import type { Endpoint } from './endpoint.ts';

/** The endpoints, and the patterns by which they are registered. */
export interface EndpointStore {
  /** Stores a new endpoint. */
  create(endpoint: Endpoint): Promise<void>;
  /** Returns the endpoint; undefined if there is none with this id. */
  get(id: string): Promise<Endpoint | undefined>;
  /** Returns at most `most` endpoints whose id is after `after`, in the order of their ids. */
  page(
    after: string,
    most: number,
  ): Promise<{ readonly endpoints: readonly Endpoint[]; readonly more: boolean }>;
  /**
   * Replaces the previous version (`version - 1`). Returns false if another change came first, or the endpoint is gone.
   */
  replace(endpoint: Endpoint): Promise<boolean>;
  /** Removes the endpoint. Does nothing if there is none. */
  remove(id: string): Promise<void>;
  /** Registers the endpoint for channels that match the pattern, from `since` on. An earlier moment stays. */
  listen(id: string, pattern: string, since: number): Promise<void>;
  /** Removes a registration that was made at or before `by`. A late write therefore keeps a newer registration. */
  unlisten(id: string, pattern: string, by: number): Promise<void>;
  /** Returns the endpoints that are registered for any of the patterns, each with its earliest `since`. */
  listeners(patterns: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

/** The position up to which the messages of a channel were handed to the endpoints that listen to it. */
export interface DispatchCursor {
  /** The life of the channel that the position belongs to. */
  readonly streamId: string;
  /** The position of the first message that was not handed over yet. */
  readonly at: Position;
}

/** The dispatch cursors, one for each channel. */
export interface DispatchCursorStore {
  /**
   * Returns the endpoints that are registered for any of the patterns, each with its earliest `since`, and the cursor of the
   * channel (undefined if there is none), in one call.
   */
  find(
    channel: string,
    patterns: readonly string[],
  ): Promise<{
    readonly listeners: ReadonlyMap<string, number>;
    readonly cursor: DispatchCursor | undefined;
  }>;
  /** Moves the cursor. Within one stream it never moves back. */
  move(channel: string, cursor: DispatchCursor, now: number): Promise<void>;
}

/** One page of the log of deliveries. */
export interface DeliveryPage {
  /** The deliveries in the order of the query. */
  readonly deliveries: readonly Delivery[];
  /** The id of the last delivery that was read; undefined if there are no more. */
  readonly last: string | undefined;
}

/** The tasks and the deliveries of each endpoint. */
export interface DeliveryStore {
  /** Adds a task, or replaces the one with the same `id` and `due` to note its progress. */
  putTask(endpoint: string, task: DeliveryTask): Promise<void>;
  /** Removes the task. Does nothing if it is not there. */
  removeTask(endpoint: string, task: DeliveryTask): Promise<void>;
  /**
   * Returns at most `most` tasks that are due: first those that a person waits for, then the others, the longest due first.
   * `next` is when the next task falls due; undefined if there is none, or if more tasks are due now.
   */
  dueTasks(
    endpoint: string,
    now: number,
    most: number,
  ): Promise<{ readonly tasks: readonly DeliveryTask[]; readonly next: number | undefined }>;
  /** Returns the delivery; undefined if there is none with this id. */
  get(endpoint: string, id: string): Promise<Delivery | undefined>;
  /**
   * Replaces the previous version (`version - 1`) of a delivery, or creates it (version 1). Returns false if another change
   * came first; true also if this change (`version` and `writer`) was made before.
   */
  put(endpoint: string, delivery: Delivery): Promise<boolean>;
  /**
   * Reads at most `most` deliveries in the order of their ids: those after `after` (forward) or before it (back). With
   * `status`, returns only deliveries in this status, so that a page may hold fewer than `most`.
   */
  page(
    endpoint: string,
    query: {
      readonly after: string;
      readonly direction: 'forward' | 'back';
      readonly status: DeliveryStatus | undefined;
      readonly most: number;
    },
  ): Promise<DeliveryPage>;
}

/** The failures of an endpoint. Its owner stores it from one delivery pass to the next. */
export interface Health {
  /** Failures since the last success. */
  readonly failures: number;
  /** The moment of the first of them; undefined if there are none. */
  readonly failingSince: number | undefined;
  /** The moment of the last of them; 0 if there are none. */
  readonly failedAt: number;
  /** The number of times that the circuit opened without a success between. */
  readonly opens: number;
  /** Until this moment nothing is sent, and no attempt is spent. */
  readonly backoffUntil: number;
  /** True if a notice said that the endpoint is failing. */
  readonly isNotified: boolean;
  /** The earliest start of the next delivery by the endpoint's own rate. */
  readonly nextStartAt: number;
}

/** The state that an owner of an endpoint hands to the next one. */
export interface EndpointState {
  /** The failures of the endpoint. */
  readonly health: Health;
  /** The time at which the postponed wake of the endpoint arrives; 0 if there is none. */
  readonly wakeAt: number;
  /** The id of this wake; empty if there is none. */
  readonly wakeBy: string;
}

/** The state of an endpoint as it is stored. */
export interface EndpointRow extends EndpointState, LeaseRow {
  /** True if the last owner has not released its lease: it works, or it died and may have left tasks without a wake. */
  readonly isUnclean: boolean;
}

/** The leases of endpoints: one owner at a time serves an endpoint. An owner's id begins with the id of its wake. */
export type EndpointLeaseStore = LeaseStore<string, EndpointState, EndpointRow>;

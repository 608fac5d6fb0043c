/**
 * What the domain of webhooks needs from the world. It knows no AWS, no clock, no randomness and no network of its own.
 * @module
 */
import type { Position } from '../../protocol/offset.ts';
import type { Timer } from '../hub/hold/held-read.ts';
import type { Clock, Log, NewId } from '../hub/log/log-ports.ts';
import type { Lease } from '../hub/push/push-ports.ts';
import type { Delivery, DeliveryStatus, ErrorClass } from './delivery/delivery.ts';
import type { DeliveryTask } from './delivery/delivery-task.ts';
import type { DisabledReason, Endpoint, Secrets } from './endpoint.ts';

/** All reads are as of every write that was answered before. */
export interface EndpointStore {
  create(endpoint: Endpoint): Promise<void>;
  get(id: string): Promise<Endpoint | undefined>;
  /** Endpoints whose id is after the one given, in the order of their ids. */
  page(
    after: string,
    most: number,
  ): Promise<{ readonly endpoints: readonly Endpoint[]; readonly more: boolean }>;
  /** Puts it in the place of its last version (`version - 1`); false if another change came first, or it is gone. */
  replace(endpoint: Endpoint): Promise<boolean>;
  remove(id: string): Promise<void>;
  /** Has the endpoint told of channels that match the pattern, from then on; an earlier moment stays. */
  listen(id: string, pattern: string, since: number): Promise<void>;
  /** Takes back what was registered by then, in milliseconds: carried out late, it leaves what was registered again. */
  unlisten(id: string, pattern: string, by: number): Promise<void>;
  /** The endpoints that listen by any of the patterns, and since when: the earliest moment of each. */
  listeners(patterns: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

/** How far the messages of a channel have been handed to the endpoints that listen to it. */
export interface DispatchCursor {
  readonly streamId: string;
  readonly at: Position;
}

export interface DispatchCursorStore {
  get(channel: string): Promise<DispatchCursor | undefined>;
  /** Never moves back within a stream. */
  move(channel: string, cursor: DispatchCursor, now: number): Promise<void>;
}

export interface DeliveryPage {
  readonly deliveries: readonly Delivery[];
  /** The id of the last one looked at, if there may be more. */
  readonly last: string | undefined;
}

/** What is kept for each endpoint: its errands and its deliveries. All reads are as of every write answered before. */
export interface DeliveryStore {
  /** Leaves an errand, or puts it in the place of the one with its `id` and `due`: how far it has come. */
  leave(endpoint: string, errand: DeliveryTask): Promise<void>;
  /** Removes it. */
  done(endpoint: string, errand: DeliveryTask): Promise<void>;
  /**
   * Errands that are due, those that somebody waits for first, the longest due before the others; and when the next falls
   * due, if no more than these are due now.
   */
  due(
    endpoint: string,
    now: number,
    most: number,
  ): Promise<{ readonly tasks: readonly DeliveryTask[]; readonly next: number | undefined }>;
  get(endpoint: string, id: string): Promise<Delivery | undefined>;
  /**
   * Puts a delivery in the place of its last version (`version - 1`), or where there is none (version 1). False if
   * another change came first; true also if this very change (`version` and `writer`) was made before.
   */
  put(endpoint: string, delivery: Delivery): Promise<boolean>;
  /**
   * Deliveries in the order of their ids, beginning after `after` (forward) or before it (back); of one status only, if
   * given. May stop before `most` are found.
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

/** How an endpoint is doing, kept by its owner from one turn to the next. Times in milliseconds since 1970. */
export interface Health {
  /** Failures since the last success. */
  readonly failures: number;
  /** When the first of them was; undefined if there are none. */
  readonly failingSince: number | undefined;
  /** When the last of them was; 0 if there are none. */
  readonly failedAt: number;
  /** How often in a row the circuit was opened. */
  readonly opens: number;
  /** Until then nothing is sent, and no attempt is spent. */
  readonly restsUntil: number;
  /** True if its owner was told that it fails. */
  readonly isTold: boolean;
  /** When the next delivery may begin, by the endpoint's own rate. */
  readonly pacedUntil: number;
}

export interface EndpointState {
  readonly health: Health;
  /** When the wake that is put off for the endpoint comes, in milliseconds; 0 if there is none. */
  readonly wakeAt: number;
  /** Which wake that is; empty if there is none. */
  readonly wakeBy: string;
}

/** A lease that somebody has. */
export interface HeldLease {
  readonly owner: string;
  readonly until: number;
  /** The wake that is put off for the endpoint, as its owner found it. */
  readonly wakeBy: string;
}

/** Each endpoint is served by one owner at a time. */
export interface LeaseStore {
  /** Counts somebody who has left an errand. Answers who is at it, and will look once more before it lets go. */
  ask(endpoint: string, now: number): Promise<HeldLease | undefined>;
  /** Takes the lease if it is free or has run out; undefined if it is another's, or if the owner has let go before. */
  take(
    endpoint: string,
    lease: Lease,
    now: number,
  ): Promise<(EndpointState & { readonly asks: number }) | undefined>;
  /** Keeps the lease until then. Answers the count of asks; undefined if the lease was lost. */
  commit(endpoint: string, lease: Lease, standing: EndpointState, until: number): Promise<number | undefined>;
  /** Lets go, unless somebody asked since; without a count in any case. Says whether it did, or the lease was lost. */
  release(
    endpoint: string,
    lease: Lease,
    standing: EndpointState,
    asks: number | undefined,
    now: number,
  ): Promise<'released' | 'asked' | 'lost'>;
  /** How the endpoint is doing, for people. */
  health(endpoint: string): Promise<Health>;
}

/** One request to an endpoint, to be signed by whoever sends it. */
export interface WebhookRequest {
  readonly url: string;
  readonly id: string;
  /** When the attempt begins, in milliseconds since 1970: part of what is signed. */
  readonly at: number;
  /** The current secret, and in an overlap the previous one. */
  readonly secrets: readonly string[];
  readonly contentType: string;
  readonly body: string;
}

/** What came of it. `blocked` is final: the address is none that the hub calls. */
export type SendResult =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly ms: number;
      /** The first bytes of the body. */
      readonly answer: string;
      /** As it was sent. */
      readonly retryAfter: string | undefined;
      /** `WebHook-Allowed-Origin` and `-Rate`, as they were sent. */
      readonly allowedOrigin: string | undefined;
      readonly allowedRate: string | undefined;
    }
  | { readonly kind: 'error'; readonly error: ErrorClass; readonly ms: number };

/** Dials endpoints. Never throws for what an endpoint does, and takes no longer than DELIVERY_TIMEOUT_MS. */
export interface Sender {
  post(letter: WebhookRequest): Promise<SendResult>;
  /** `OPTIONS` with `WebHook-Request-Origin`: asks whether the endpoint wants events. */
  ask(url: string, origin: string): Promise<SendResult>;
}

/** Keeps secrets so that who reads the table learns nothing. */
export interface SecretSealer {
  seal(endpoint: string, secrets: Secrets): Promise<string>;
  /** @throws Error if it was sealed for another endpoint, or changed */
  open(endpoint: string, sealed: string): Promise<Secrets>;
  /** `whsec_` and the base64 of 32 random bytes. */
  newSecret(): string;
}

/** Has somebody serve an endpoint. */
export type SendWake = (endpoint: string) => Promise<void>;

/** What the owner of an endpoint is told, on the channel WEBHOOK_NOTICES. */
export interface Notice {
  readonly type: 'webhook.failing' | 'webhook.recovered' | 'webhook.disabled' | 'webhook.exhausted';
  readonly endpoint: string;
  /** Of its URL, whose path and query are as secret as a password to some. */
  readonly host: string;
  readonly at: number;
  readonly reason?: DisabledReason;
  /** The delivery that it is about. */
  readonly delivery?: string;
}

/** What those who change endpoints and leave errands need. */
export interface Managing {
  readonly endpoints: EndpointStore;
  readonly deliveries: DeliveryStore;
  readonly leases: LeaseStore;
  readonly sealer: SecretSealer;
  readonly log: Log;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly wake: SendWake;
}

/** What hands messages to endpoints needs. */
export interface Dispatching {
  readonly endpoints: EndpointStore;
  readonly cursors: DispatchCursorStore;
  readonly deliveries: DeliveryStore;
  readonly leases: LeaseStore;
  readonly log: Log;
  readonly wake: SendWake;
  /** Has a channel looked at again after a while. */
  readonly lookAgain: (channel: string, delayMs: number) => Promise<void>;
}

/** What the owner of an endpoint needs. */
export interface Delivering {
  readonly endpoints: EndpointStore;
  readonly deliveries: DeliveryStore;
  readonly leases: LeaseStore;
  readonly sealer: SecretSealer;
  readonly sender: Sender;
  readonly log: Pick<Log, 'channels' | 'entries' | 'retentionMs'>;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly newId: NewId;
  /** From 0 to 1, for the jitter of the ladder. */
  readonly random: () => number;
  /** Sets a delivery aside for good, where people will find it. */
  readonly deadLetter: (endpoint: string, delivery: Delivery) => Promise<void>;
  readonly notify: (notice: Notice) => Promise<void>;
  /** The hub's own host, as it introduces itself to endpoints. */
  readonly origin: string;
}

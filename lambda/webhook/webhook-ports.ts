/**
 * The ports of the webhook domain except its stores (webhook-stores.ts): the sender, the sealer of secrets, and wakes. Then the
 * dependencies of each part of the domain. All times are milliseconds since 1970.
 * @module
 */
import type { Timer } from '../hub/hold/held-read.ts';
import type { Channel } from '../hub/log/channel.ts';
import type { Entry } from '../hub/log/entry.ts';
import type { Clock, Log, NewId } from '../hub/log/log-ports.ts';
import type { Delivery, ErrorClass } from './delivery/delivery.ts';
import type { RangeTask } from './delivery/delivery-task.ts';
import type { OwnerMemory } from './delivery/owner-memory.ts';
import type { DisabledReason, Endpoint, Secrets } from './endpoint.ts';
import type {
  DeliveryStore,
  DispatchCursorStore,
  EndpointLeaseStore,
  EndpointStore,
} from './webhook-stores.ts';

/** One webhook request. The sender signs it. */
export interface WebhookRequest {
  /** The URL of the endpoint. */
  readonly url: string;
  /** The `webhook-id`. */
  readonly id: string;
  /** Time at which the attempt begins. The signature covers it, in whole seconds. */
  readonly at: number;
  /** The current secret, and during a rotation the previous one too. Each is `whsec_` and base64. */
  readonly secrets: readonly string[];
  /** The content type of the body. */
  readonly contentType: string;
  /** The body as text, which the signature covers. */
  readonly body: string;
}

/** The result of one request. The error `blocked` is final: the hub does not call this address. */
export type SendResult =
  | {
      readonly kind: 'answer';
      /** The HTTP status, 200 to 599 from a correct server. */
      readonly status: number;
      /** How long the request took, in milliseconds. */
      readonly ms: number;
      /** The first bytes of the body, as text. */
      readonly answer: string;
      /** `Retry-After`, as it was sent. */
      readonly retryAfter: string | undefined;
      /** `WebHook-Allowed-Origin`, as it was sent. */
      readonly allowedOrigin: string | undefined;
      /** `WebHook-Allowed-Rate`, as it was sent. */
      readonly allowedRate: string | undefined;
    }
  | { readonly kind: 'error'; readonly error: ErrorClass; readonly ms: number };

/** Sends requests to endpoints. Never throws because of an endpoint, and takes at most DELIVERY_TIMEOUT_MS. */
export interface Sender {
  /** Signs and sends a message. */
  post(request: WebhookRequest): Promise<SendResult>;
  /** Sends `OPTIONS` with `WebHook-Request-Origin`, which asks whether the endpoint wants events. */
  askHandshake(url: string, origin: string): Promise<SendResult>;
}

/** Encrypts secrets, so that a reader of the table learns nothing. */
export interface SecretSealer {
  /** Returns the sealed secrets as text, which can be opened only for the same endpoint. */
  seal(endpoint: string, secrets: Secrets): Promise<string>;
  /** Returns the secrets. @throws Error if they were sealed for another endpoint, or were changed */
  open(endpoint: string, sealed: string): Promise<Secrets>;
  /** Returns a new secret: `whsec_` and the base64 of 32 random bytes. */
  newSecret(): string;
}

/**
 * Sends a wake. A process receives it, and serves the endpoint.
 * @param tasks tasks that only the wake holds, until they are done or stored
 */
export type SendWake = (endpoint: string, tasks?: readonly RangeTask[]) => Promise<void>;

/** An entry of the log by its place. */
export interface EntryPlace {
  /** The stream of its channel. */
  readonly streamId: string;
  /** Its slot. */
  readonly slot: number;
}

/** What tasks need, read at once. */
export interface ReadAhead {
  /** The endpoint; undefined if there is none. */
  readonly endpoint: Endpoint | undefined;
  /** The channels by name, without those that do not exist. */
  readonly channels: ReadonlyMap<string, Channel>;
  /** The entries that exist, also expired ones. */
  readonly entries: readonly (EntryPlace & Entry)[];
}

/** An event in the life of an endpoint, published on the channel WEBHOOK_NOTICES. */
export interface Notice {
  /** The event. */
  readonly type: 'webhook.failing' | 'webhook.recovered' | 'webhook.disabled' | 'webhook.exhausted';
  /** The id of the endpoint. */
  readonly endpoint: string;
  /** The host of its URL. The path and the query are left out: they may hold a password. */
  readonly host: string;
  /** The time of the event. */
  readonly at: number;
  /** The reason for which it was disabled. */
  readonly reason?: DisabledReason;
  /** The id of the delivery that caused the notice. */
  readonly delivery?: string;
}

/** The stores of endpoints, of their tasks and deliveries, and of their leases. */
interface WebhookStores {
  /** The endpoints and their registrations. */
  readonly endpoints: EndpointStore;
  /** The tasks and the deliveries. */
  readonly deliveries: DeliveryStore;
  /** The leases of owners. */
  readonly leases: EndpointLeaseStore;
}

/** The dependencies of the functions that manage endpoints and leave tasks for them. */
export interface Managing extends WebhookStores {
  /** Seals and opens secrets. */
  readonly sealer: SecretSealer;
  /** The log, in which replays begin and end. */
  readonly log: Log;
  /** Returns the time. */
  readonly clock: Clock;
  /** Returns a new random id. */
  readonly newId: NewId;
  /** Sends a wake to an endpoint without an owner. */
  readonly wake: SendWake;
}

/** The dependencies of dispatch, which hands messages to endpoints. */
export interface Dispatching extends WebhookStores {
  /** The cursors: how far dispatch has handed over each channel. */
  readonly cursors: DispatchCursorStore;
  /** The log, whose new messages are handed over. */
  readonly log: Log;
  /** Sends a wake to an endpoint without an owner. */
  readonly wake: SendWake;
  /** Which endpoints had an owner a moment ago, as this process knows it. */
  readonly owners: OwnerMemory;
  /** Makes dispatch look at the channel again after `delayMs` milliseconds. */
  readonly lookAgain: (channel: string, delayMs: number) => Promise<void>;
}

/** The dependencies of the owner of an endpoint. */
export interface Delivering extends WebhookStores {
  /** Opens the secrets that sign. */
  readonly sealer: SecretSealer;
  /** Sends requests to endpoints. */
  readonly sender: Sender;
  /** The part of the log from which messages are read. */
  readonly log: Pick<Log, 'channels' | 'entries' | 'retentionMs'>;
  /** Reads an endpoint, channels and entries in one call. @throws Refusal unavailable */
  readonly readAhead: (
    endpoint: string,
    channels: readonly string[],
    entries: readonly EntryPlace[],
  ) => Promise<ReadAhead>;
  /** Returns the time. */
  readonly clock: Clock;
  /** Waits until the rate of an endpoint allows the next request. */
  readonly timer: Timer;
  /** Returns a new random id. */
  readonly newId: NewId;
  /** Returns a number from 0 to below 1, for the jitter of the retry schedule. */
  readonly random: () => number;
  /** Puts a delivery that failed for good into the dead-letter queue. */
  readonly deadLetter: (endpoint: string, delivery: Delivery) => Promise<void>;
  /** Publishes a notice. */
  readonly notify: (notice: Notice) => Promise<void>;
  /** The hub's own host, which the handshake names as the sender. */
  readonly origin: string;
}

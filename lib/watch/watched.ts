/**
 * The parts of the hub that alarms and the dashboard are about.
 * @module
 */
import type { TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import type { HubConfig } from '../config/config.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import type { Socket } from '../functions/socket.ts';
import type { HttpApi } from '../gateways/http-api.ts';
import type { Folds } from '../messaging/folds.ts';
import type { Hints } from '../messaging/hints.ts';
import type { WebhookQueues } from '../messaging/webhook-queues.ts';
import type { WorkQueue } from '../messaging/work-queue.ts';
import type { TidingsLog } from '../tidings-log.ts';

/** In the order in which an event passes them. */
const HANDLER_NAMES = [
  'Publish',
  'Socket',
  'Push',
  'Presence',
  'Fold',
  'Read',
  'Hold',
  'Stream',
  'Webhooks',
  'Dispatch',
  'Deliver',
  'Intake',
  'Console',
] as const;

/** The name of a function: its construct id, and a dimension of its metrics. */
export type HandlerName = (typeof HANDLER_NAMES)[number];

/** The functions that only some hubs have. */
type Optional = 'Presence' | 'Intake' | 'Console';

/** The functions, by the names that their metrics have: the keys of `handlerNames` in lambda/env.ts. */
export type Handlers = Readonly<
  Record<Exclude<HandlerName, Optional>, HubFunction> & Partial<Record<Optional, HubFunction>>
>;

/** The parts of the hub. */
export interface Watched {
  /** The stage, and the reserved concurrency. */
  readonly config: HubConfig;
  /** All functions. */
  readonly handlers: Handlers;
  /** All tables. */
  readonly stores: TidingsLog;
  /** The topic of hints, and the queue of the push. */
  readonly hints: Hints;
  /** The queue of the fold. */
  readonly folds: Folds;
  /** The queues of dispatch and deliver. */
  readonly webhookQueues: WebhookQueues;
  /** The queue of presence; undefined on a hub without it. */
  readonly looks: WorkQueue | undefined;
  /** The queue of the intake; undefined on a hub without it. */
  readonly intake: WorkQueue | undefined;
  /** The HTTP API. */
  readonly http: HttpApi;
  /** The WebSocket API. */
  readonly socket: Socket;
}

/** Returns the functions with their names, in the order in which an event passes them. */
export const handlersOf = (handlers: Handlers): readonly (readonly [HandlerName, HubFunction])[] =>
  HANDLER_NAMES.flatMap((name) => {
    const handler = handlers[name];
    return handler === undefined ? [] : [[name, handler] as const];
  });

/** Returns all tables by name. */
export const tablesOf = ({ stores }: Watched): Readonly<Record<string, TableV2>> => ({
  Channels: stores.log.channels,
  Entries: stores.log.entries,
  Keys: stores.log.keys,
  Snapshots: stores.log.snapshots,
  Subscribers: stores.subscribers.table,
  Cursors: stores.subscribers.cursors,
  Endpoints: stores.endpoints.endpointsTable,
  Deliveries: stores.endpoints.deliveriesTable,
});

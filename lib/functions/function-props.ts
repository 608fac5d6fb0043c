/**
 * The parts that the functions share.
 * @module
 */
import type { HubConfig } from '../config/config.ts';
import type { Folds } from '../messaging/folds.ts';
import type { Hints } from '../messaging/hints.ts';
import type { WebhookQueues } from '../messaging/webhook-queues.ts';
import type { ChannelLog } from '../storage/channel-log.ts';
import type { Endpoints } from '../storage/endpoints.ts';
import type { Subscribers } from '../storage/subscribers.ts';
import type { TokenKeys } from '../storage/token-keys.ts';

/** The configuration, and the constructs that functions get grants from. */
export interface FunctionProps {
  /** All options. */
  readonly config: HubConfig;
  /** The tables of channels, entries and keys. */
  readonly log: ChannelLog;
  /** The keys that sign tokens. */
  readonly tokenKeys: TokenKeys;
  /** The tables of subscribers and cursors. */
  readonly subscribers: Subscribers;
  /** The topic of hints, and the queue of the push. */
  readonly hints: Hints;
  /** The queue of the fold. */
  readonly folds: Folds;
  /** The tables of webhooks, and the key that seals their secrets. */
  readonly endpoints: Endpoints;
  /** The queues of dispatch and deliver. */
  readonly webhookQueues: WebhookQueues;
}

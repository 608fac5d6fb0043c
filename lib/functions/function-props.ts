/**
 * The parts that the functions share.
 * @module
 */
import type { HubConfig } from '../config/config.ts';
import type { Hints } from '../messaging/hints.ts';
import type { WebhookQueues } from '../messaging/webhook-queues.ts';
import type { ChannelLog } from '../storage/channel-log.ts';
import type { Endpoints } from '../storage/endpoints.ts';
import type { Subscribers } from '../storage/subscribers.ts';
import type { TokenKeys } from '../storage/token-keys.ts';

/** The configuration, and the constructs that functions get grants from. */
export interface FunctionProps {
  readonly config: HubConfig;
  readonly log: ChannelLog;
  readonly tokenKeys: TokenKeys;
  readonly subscribers: Subscribers;
  readonly hints: Hints;
  readonly endpoints: Endpoints;
  readonly webhookQueues: WebhookQueues;
}

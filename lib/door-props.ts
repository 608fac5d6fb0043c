/**
 * What every door is made with.
 * @module
 */
import type { ChannelLog } from './channel-log.ts';
import type { HubConfig } from './config.ts';
import type { Endpoints } from './endpoints.ts';
import type { Hints } from './hints.ts';
import type { Subscribers } from './subscribers.ts';
import type { TokenKeys } from './token-keys.ts';
import type { WebhookQueues } from './webhook-queues.ts';

export interface DoorProps {
  readonly config: HubConfig;
  readonly log: ChannelLog;
  readonly tokenKeys: TokenKeys;
  readonly subscribers: Subscribers;
  readonly hints: Hints;
  readonly endpoints: Endpoints;
  readonly webhookQueues: WebhookQueues;
}

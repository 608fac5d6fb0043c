/**
 * The parts of a handler that publishes for callers: over HTTP, and over a socket.
 * @module
 */
import type { Tickets } from '../access/ticket.ts';
import type { Publishing } from '../hub/log/log-ports.ts';
import type { DisconnectQueue, SubscriberStore } from '../hub/push/push-ports.ts';
import { type CallerParts, type CallerSettings, callersInAws } from './compose-access.ts';
import { type LogSettings, logInAws } from './compose-log.ts';
import { documentClient } from './dynamodb/document-client.ts';
import { subscribersInDynamoDb } from './dynamodb/subscribers-table.ts';
import { ticketsInAws } from './dynamodb/used-tickets.ts';
import { disconnectsBySqs } from './queues/push-queue.ts';
import { type HintSettings, hintsInAws } from './queues/send-hints.ts';

export interface PublishingSettings extends LogSettings, CallerSettings, HintSettings {
  readonly SUBSCRIBERS_TABLE: string;
}

export interface PublishingParts extends CallerParts {
  readonly log: Publishing;
  readonly tickets: Tickets;
  readonly subscribers: SubscriberStore;
  readonly goodbyes: DisconnectQueue;
}

/** Returns the parts. All stores share the connections of one DynamoDB client. */
export function publishingInAws(settings: PublishingSettings): PublishingParts {
  const client = documentClient();
  return {
    ...callersInAws(settings),
    log: { ...logInAws(settings, client), hint: hintsInAws(settings) },
    tickets: ticketsInAws(settings, settings.KEYS_TABLE, client),
    subscribers: subscribersInDynamoDb(client, settings.SUBSCRIBERS_TABLE),
    goodbyes: disconnectsBySqs(settings.PUSH_QUEUE_URL),
  };
}

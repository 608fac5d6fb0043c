/**
 * The parts of a handler that publishes for callers: over HTTP, and over a socket.
 * @module
 */

import { membersFor, parseStamps } from '../../protocol/stamp.ts';
import type { Caller } from '../access/caller.ts';
import type { Tickets } from '../access/ticket.ts';
import { ephemeralPublisher, type PublishEphemeral } from '../hub/ephemeral/publish-ephemeral.ts';
import { type Handler, type Hook, hookFor } from '../hub/hook.ts';
import type { Publishing } from '../hub/log/log-ports.ts';
import type { Stamp } from '../hub/log/messages.ts';
import type { ConnectionStore, DisconnectQueue, Jobs, SubscriptionStore } from '../hub/push/push-ports.ts';
import { type AccessSettings, ticketsInAws } from './compose-access.ts';
import { type LogSettings, publishingInLog } from './compose-log.ts';
import { connectionsInDynamoDb } from './dynamodb/connections-table.ts';
import { documentClient } from './dynamodb/document-client.ts';
import { subscriptionsInDynamoDb } from './dynamodb/subscriptions-table.ts';
import { disconnectsBySqs, jobsBySqs } from './queues/push-queue.ts';
import { ephemeralBySqs } from './queues/send-ephemeral.ts';
import type { HintSettings } from './queues/send-hints.ts';

/** The variables of `logEnv`, `accessEnv`, `hintEnv`, `jobEnv`, `dispatchEnv`, `listenersEnv` and `stampEnv` (lambda/env.ts). */
export interface PublishingSettings extends LogSettings, AccessSettings, HintSettings {
  /** Name of the Subscribers table. */
  readonly SUBSCRIBERS_TABLE: string;
  /** What the hub adds to messages. */
  readonly STAMPS: string;
}

/** The parts that publish for callers, and subscribe over a socket. */
export interface PublishingParts {
  /** The log, and the sender of hints. */
  readonly log: Publishing;
  /** Sends ephemeral messages. */
  readonly publishEphemeral: PublishEphemeral;
  /** Returns what the hub adds to the messages of a caller on a channel; undefined for nothing. */
  readonly stampFor: (channel: string, caller: Pick<Caller, 'principal'>) => Stamp | undefined;
  /** Returns the hook for the messages of a caller on a channel; undefined if nobody is asked. */
  readonly hookFor: (channel: string, caller: Pick<Caller, 'principal'>) => Hook | undefined;
  /** Issues and redeems tickets. */
  readonly tickets: Tickets;
  /** The store of connections. */
  readonly connections: ConnectionStore;
  /** The store of subscriptions. */
  readonly subscriptions: SubscriptionStore;
  /** The queue of jobs. */
  readonly jobs: Jobs;
  /** Sends requests to disconnect sockets. */
  readonly disconnects: DisconnectQueue;
}

/**
 * Returns the parts.
 * @param handlers those of the hook
 * @param client the DynamoDB client, whose connections all stores share
 */
export function publishingInAws(
  settings: PublishingSettings,
  handlers: readonly Handler[],
  client = documentClient(),
): PublishingParts {
  const stamps = parseStamps(JSON.parse(settings.STAMPS));
  const log = publishingInLog(settings, client);
  return {
    log,
    publishEphemeral: ephemeralPublisher(log, ephemeralBySqs(settings.PUSH_QUEUE_URL)),
    stampFor(channel, { principal }) {
      const members = membersFor(stamps, channel);
      return members && { members, sub: principal };
    },
    hookFor: (channel, { principal }) => hookFor(handlers, channel, principal),
    tickets: ticketsInAws(settings, client),
    connections: connectionsInDynamoDb(client, settings.SUBSCRIBERS_TABLE),
    subscriptions: subscriptionsInDynamoDb(client, settings.SUBSCRIBERS_TABLE),
    jobs: jobsBySqs(settings.PUSH_QUEUE_URL),
    disconnects: disconnectsBySqs(settings.PUSH_QUEUE_URL),
  };
}

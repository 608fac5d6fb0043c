/**
 * The push of a deployed hub.
 * @module
 */
import { type Ephemeral, ephemeralHandler } from '../hub/ephemeral/post-ephemeral.ts';
import type { Log } from '../hub/log/log-ports.ts';
import { type DelayedHint, delayedHintHandler } from '../hub/push/delayed-hint.ts';
import type { Disconnecting } from '../hub/push/disconnect.ts';
import { pushMemory } from '../hub/push/push-memory.ts';
import type { Push, SocketPoster } from '../hub/push/push-ports.ts';
import type { DocumentClient } from './calls/document-calls.ts';
import { credentialsOf } from './calls/lambda-environment.ts';
import { type LogSettings, logInAws } from './compose-log.ts';
import { connectionsInDynamoDb } from './dynamodb/connections-table.ts';
import { cursorsInDynamoDb } from './dynamodb/cursors-table.ts';
import { documentClient } from './dynamodb/document-client.ts';
import { hintLookupInDynamoDb } from './dynamodb/hint-lookup.ts';
import { waitsInDynamoDb } from './dynamodb/subscribers-table.ts';
import { subscriptionsInDynamoDb } from './dynamodb/subscriptions-table.ts';
import { presenceInAws } from './presence/compose-presence.ts';
import { delayedHintsBySqs, disconnectsBySqs, jobsBySqs } from './queues/push-queue.ts';
import { ephemeralToShardsBySqs } from './queues/send-ephemeral.ts';
import { hintsBySns } from './queues/send-hints.ts';
import { connectionsInApiGateway } from './sockets/socket-poster.ts';
import { count, note } from './telemetry/telemetry.ts';

/** The variables of `logEnv`, `listenersEnv`, `hintEnv`, `jobEnv` and `pushEnv` (lambda/env.ts). */
export interface PushSettings extends LogSettings {
  /** Name of the Subscribers table. */
  readonly SUBSCRIBERS_TABLE: string;
  /** Name of the Cursors table. */
  readonly CURSORS_TABLE: string;
  /** The topic of hints. */
  readonly HINTS_TOPIC_ARN: string;
  /** The push queue. */
  readonly PUSH_QUEUE_URL: string;
  /** URL of the WebSocket stage, for posts. */
  readonly SOCKET_ENDPOINT: string;
  /** The most posts in flight. */
  readonly POSTS_IN_FLIGHT: number;
  /** The most posts in a second. */
  readonly POSTS_PER_SECOND: number;
}

/** Returns the parts of the push. @param environment of the process: the credentials, the region, and the variables of presence if there are some */
export function pushInAws(
  settings: PushSettings,
  environment: Readonly<Record<string, string | undefined>>,
): Push &
  Disconnecting & {
    readonly handleDelayedHint: (hint: DelayedHint) => Promise<void>;
    readonly handleEphemeral: (ephemeral: Ephemeral) => Promise<void>;
  } {
  const client = documentClient();
  const log = logInAws(settings, client);
  const push = partsOf(settings, environment, client, log);
  const sendToShards = ephemeralToShardsBySqs(settings.PUSH_QUEUE_URL);
  return {
    ...push,
    handleEphemeral: ephemeralHandler({ ...push, clock: log.clock, sendToShards }),
    handleDelayedHint: delayedHintHandler({
      log,
      topic: hintsBySns(settings.HINTS_TOPIC_ARN),
      queue: delayedHintsBySqs(settings.PUSH_QUEUE_URL),
      random: Math.random,
    }),
  };
}

function partsOf(
  settings: PushSettings,
  environment: Readonly<Record<string, string | undefined>>,
  client: DocumentClient,
  log: Log,
): Push & Disconnecting {
  return {
    log,
    connections: connectionsInDynamoDb(client, settings.SUBSCRIBERS_TABLE),
    subscriptions: subscriptionsInDynamoDb(client, settings.SUBSCRIBERS_TABLE),
    waits: waitsInDynamoDb(client, settings.SUBSCRIBERS_TABLE),
    cursors: cursorsInDynamoDb(client, settings.CURSORS_TABLE),
    lookup: hintLookupInDynamoDb(client, settings),
    memory: pushMemory(),
    jobs: jobsBySqs(settings.PUSH_QUEUE_URL),
    disconnects: disconnectsBySqs(settings.PUSH_QUEUE_URL),
    presence: presenceInAws(environment, client, settings),
    poster: counting(
      connectionsInApiGateway({
        endpoint: settings.SOCKET_ENDPOINT,
        inFlight: settings.POSTS_IN_FLIGHT,
        perSecond: settings.POSTS_PER_SECOND,
        ...credentialsOf(environment),
      }),
    ),
    watch: {
      delivered: (messages) => count('Delivered', messages),
      lag: (ms) => note('PushLag', ms),
    },
  };
}

function counting(poster: SocketPoster): SocketPoster {
  return {
    ...poster,
    async post(connection, frame, by, attempts) {
      const posted = await poster.post(connection, frame, by, attempts);
      if (posted === 'busy') count('PostsPutOff', 1);
      if (posted === 'gone') count('PostsGone', 1);
      return posted;
    },
  };
}

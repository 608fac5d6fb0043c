/**
 * The handler of sockets: $connect, $disconnect and the frames between them (PROTOCOL.md §12).
 * @module
 */
import { credentialsOf } from './aws/calls/lambda-environment.ts';
import { callersInAws } from './aws/compose-access.ts';
import { hooksInAws } from './aws/compose-hooks.ts';
import { publishingInAws } from './aws/compose-publishing.ts';
import { documentClient } from './aws/dynamodb/document-client.ts';
import { presenceInAws } from './aws/presence/compose-presence.ts';
import { connectionsInApiGateway } from './aws/sockets/socket-poster.ts';
import { count, watched } from './aws/telemetry/telemetry.ts';
import { connectionsEnv, doorEnv, endsEnv, publishingEnv, telemetryEnv } from './env.ts';
import { behindDoor } from './http/door.ts';
import { rememberedPings } from './ws/present-sockets.ts';
import { socketHandler } from './ws/socket-handler.ts';

/**
 * This handler ends only connections that flood it. This rate is enough for that, and leaves the account's quota of posts
 * to the push.
 */
const ENDS_PER_SECOND = 10;

const { env } = process;
const settings = publishingEnv.read(env);
const poster = connectionsInApiGateway({
  endpoint: endsEnv.read(env).SOCKET_ENDPOINT,
  inFlight: ENDS_PER_SECOND,
  perSecond: ENDS_PER_SECOND,
  ...credentialsOf(env),
});
const client = documentClient();
const callers = callersInAws(settings);
const presence = presenceInAws(env, client, settings);
const answer = socketHandler({
  ...callers,
  ...publishingInAws(settings, hooksInAws(env), client),
  presence: presence && { ...presence, seenAt: rememberedPings() },
  published: (messages) => count('Published', messages),
  connectionsPerCaller: connectionsEnv.read(env).CONNECTIONS_PER_CALLER,
  close: poster.close,
});

/** Handles one event of the WebSocket API. */
export const handler = watched(
  telemetryEnv.read(env),
  behindDoor(doorEnv.readIfSet(env)?.DOOR, callers.logRefusal, answer),
);

/**
 * The handler of Server-Sent Events, over Lambda response streaming (PROTOCOL.md §5.2).
 * @module
 */
import { callersInAws, ticketsInAws } from './aws/compose-access.ts';
import { heldQuotaInAws, holdInAws } from './aws/compose-hold.ts';
import { documentClient } from './aws/dynamodb/document-client.ts';
import { presenceInAws } from './aws/presence/compose-presence.ts';
import { count, watching } from './aws/telemetry/telemetry.ts';
import { doorEnv, streamEnv, telemetryEnv, waitingEnv } from './env.ts';
import { channelRoutes } from './http/channel-routes.ts';
import { STREAM_PARAMETERS } from './http/query.ts';
import { stopping } from './http/stopping.ts';
import { streamAnswers } from './http/streams/stream-answers.ts';
import { streamHandler } from './http/streams/stream-handler.ts';
import { evictingQuota } from './hub/hold/caller-quota.ts';

const { env } = process;
const client = documentClient();
const settings = { ...waitingEnv.read(env), ...doorEnv.readIfSet(env) };
const callers = callersInAws(settings);
const { redeem } = ticketsInAws(settings, client);
const hold = holdInAws(settings, client, 'stream');
const perCaller = evictingQuota(settings.HELD_PER_CALLER);
const { channel, events } = streamAnswers({
  ...callers,
  hold,
  openInbox: hold.openInbox,
  quota: heldQuotaInAws(hold, settings, client, 'stream', perCaller),
  lifetimeMs: streamEnv.read(env).STREAM_SECONDS * 1_000,
  stopping: stopping(),
  random: Math.random,
  delivered: (messages) => count('Delivered', messages),
  presence: presenceInAws(env, client, settings),
});

const routes = channelRoutes({
  ...callers,
  redeem,
  routes: { GET: { operation: 'subscribe', parameters: STREAM_PARAMETERS, answer: channel } },
  events,
});

/** Answers one request of the function URL with a stream. */
export const handler = streamHandler(routes, watching(telemetryEnv.read(env)));

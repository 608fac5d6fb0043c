/**
 * The door of Server-Sent Events, over Lambda response streaming (PROTOCOL.md §5.2).
 * @module
 */
import { parseOrigins } from './access/origins.ts';
import { accessInAws } from './aws/compose-access.ts';
import { holdInAws } from './aws/compose-hold.ts';
import { documentClient } from './aws/dynamodb/document-client.ts';
import { quotaInDynamoDb } from './aws/dynamodb/quota-table.ts';
import { ticketsInAws } from './aws/dynamodb/used-tickets.ts';
import { count, logDefect, logRefusal, watching } from './aws/telemetry/telemetry.ts';
import {
  accessEnv,
  heldEnv,
  listenersEnv,
  logEnv,
  originsEnv,
  streamEnv,
  telemetryEnv,
  wakeEnv,
} from './env.ts';
import { channelRoutes } from './http/channel-routes.ts';
import { STREAM_PARAMETERS } from './http/query.ts';
import { stopping } from './http/stopping.ts';
import { streamAnswers } from './http/stream-answers.ts';
import { streamHandler } from './http/stream-handler.ts';
import { givingWay } from './hub/hold/caller-quota.ts';

const client = documentClient();
const settings = logEnv.read(process.env);
const who = accessEnv.read(process.env);
const { SUBSCRIBERS_TABLE } = listenersEnv.read(process.env);
const hold = holdInAws({ ...settings, ...who, ...wakeEnv.read(process.env), SUBSCRIBERS_TABLE }, client);
const { STREAM_SECONDS } = streamEnv.read(process.env);
const access = accessInAws(who);
const { redeem } = ticketsInAws(who, settings.KEYS_TABLE, client);
const { channel, events } = streamAnswers({
  hold,
  access,
  seats: {
    tally: quotaInDynamoDb(client, SUBSCRIBERS_TABLE, 'stream'),
    quota: givingWay(heldEnv.read(process.env).HELD_PER_CALLER),
    clock: hold.log.clock,
    timer: hold.timer,
    newId: hold.log.newId,
  },
  lifetimeMs: STREAM_SECONDS * 1_000,
  stopping: stopping(),
  random: Math.random,
  logDefect,
  logRefusal,
  delivered: (messages) => count('Delivered', messages),
});

const routes = channelRoutes({
  access,
  origins: parseOrigins(originsEnv.read(process.env).ORIGINS),
  redeem,
  logDefect,
  logRefusal,
  routes: { GET: { operation: 'subscribe', parameters: STREAM_PARAMETERS, answer: channel } },
  events,
});

export const handler = streamHandler(routes, watching(telemetryEnv.read(process.env)));

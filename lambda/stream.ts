/**
 * The door of Server-Sent Events, over Lambda response streaming (PROTOCOL.md §5.2).
 * @module
 */
import { parseOrigins } from './access/origins.ts';
import { accessInAws } from './aws/access.ts';
import { documentClient } from './aws/dynamodb.ts';
import { holdInAws } from './aws/hold.ts';
import { logDefect } from './aws/telemetry.ts';
import { ticketsInAws } from './aws/tickets.ts';
import { accessEnv, listenersEnv, logEnv, originsEnv, streamEnv, wakeEnv } from './env.ts';
import { streamAnswers } from './http/follow.ts';
import { streamHandler } from './http/stream.ts';

const client = documentClient();
const settings = logEnv.read(process.env);
const who = accessEnv.read(process.env);
const hold = holdInAws(
  { ...settings, ...who, ...listenersEnv.read(process.env), ...wakeEnv.read(process.env) },
  client,
);
const { STREAM_SECONDS, TOKEN_HEADER } = streamEnv.read(process.env);
const access = accessInAws(who, TOKEN_HEADER);
const { redeem } = ticketsInAws(who, settings.KEYS_TABLE, client);
const { channel, events } = streamAnswers({
  hold,
  access,
  lifetimeMs: Number(STREAM_SECONDS) * 1_000,
  random: Math.random,
  logDefect,
});

export const handler = streamHandler({
  access,
  origins: parseOrigins(originsEnv.read(process.env).ORIGINS),
  redeem,
  logDefect,
  routes: { GET: { operation: 'subscribe', answer: channel } },
  events,
});

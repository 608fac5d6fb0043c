/**
 * The door of long polling: GET that is held until there is something (PROTOCOL.md §5.1).
 * @module
 */
import { parseOrigins } from './access/origins.ts';
import { accessInAws } from './aws/compose-access.ts';
import { holdInAws } from './aws/compose-hold.ts';
import { documentClient } from './aws/dynamodb/document-client.ts';
import { quotaInDynamoDb } from './aws/dynamodb/quota-table.ts';
import { count, logDefect, logRefusal, watched } from './aws/telemetry/telemetry.ts';
import {
  accessEnv,
  heldEnv,
  holdEnv,
  listenersEnv,
  logEnv,
  originsEnv,
  telemetryEnv,
  wakeEnv,
} from './env.ts';
import { answerHeld } from './http/answer-channel.ts';
import { channelRoutes } from './http/channel-routes.ts';
import { httpHandler } from './http/http-handler.ts';
import { holdMsOf, parseFrom } from './http/parse-channel.ts';
import { parameterOf, READ_PARAMETERS } from './http/query.ts';
import { stopping } from './http/stopping.ts';
import { cursorAfter } from './http/stream-cursor.ts';
import { quotaSlotOf, refusing, withQuotaSlot } from './hub/hold/caller-quota.ts';
import { holdRead } from './hub/hold/held-read.ts';
import { disconnectAt } from './hub/push/disconnect.ts';

const client = documentClient();
const { SUBSCRIBERS_TABLE } = listenersEnv.read(process.env);
const hold = holdInAws(
  {
    ...logEnv.read(process.env),
    ...accessEnv.read(process.env),
    ...wakeEnv.read(process.env),
    SUBSCRIBERS_TABLE,
  },
  client,
);
const { clock, newId } = hold.log;
const seats = {
  tally: quotaInDynamoDb(client, SUBSCRIBERS_TABLE, 'hold'),
  // None gives way: it would come back at once and take the place of another. A caller that is refused polls.
  quota: refusing(heldEnv.read(process.env).HELD_PER_CALLER),
  clock,
  timer: hold.timer,
  newId,
};
const access = accessInAws(accessEnv.read(process.env));
// Behind API Gateway nobody tells a function that its caller has gone: nothing else ends a hold but time.
const signal = stopping();
const longestMs = holdEnv.read(process.env).HOLD_SECONDS * 1_000;

const routes = channelRoutes({
  access,
  origins: parseOrigins(originsEnv.read(process.env).ORIGINS),
  logDefect,
  logRefusal,
  // The gateway cannot tell a held read by its query, so it comes by a path of its own.
  prefix: '/hold',
  routes: {
    GET: {
      operation: 'subscribe',
      parameters: READ_PARAMETERS,
      answer: async ({ channel: name, caller, raw, arrivedAt }) => {
        const asked = parseFrom(raw, 'long-poll');
        const now = clock();
        const ms = Math.min(holdMsOf(raw, longestMs, now - (arrivedAt ?? now)), disconnectAt(caller) - now);
        const until = hold.timer.now() + ms;
        const seat = quotaSlotOf(seats, caller.principal, clock() + ms);
        const waiting = { ...hold, wake: withQuotaSlot(seat, hold.wake) };
        const held = await holdRead(waiting, name, asked, until, signal).finally(() => seat.leave());
        const answer = { ...held, asked, isPublic: access.isPublic('subscribe', name), ifNoneMatch: null };
        count('Delivered', held.result.messages.length);
        const cursor = parameterOf(raw, 'cursor');
        return answerHeld(answer, cursorAfter(cursor, clock(), Math.random));
      },
    },
  },
});

export const handler = watched(telemetryEnv.read(process.env), httpHandler(routes));

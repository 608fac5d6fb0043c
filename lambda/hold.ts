/**
 * The handler of long polling: a GET that is held until there is news (PROTOCOL.md §5.1).
 * @module
 */
import { callersInAws } from './aws/compose-access.ts';
import { heldQuotaInAws, holdInAws } from './aws/compose-hold.ts';
import { documentClient } from './aws/dynamodb/document-client.ts';
import { presenceInAws } from './aws/presence/compose-presence.ts';
import { count, watched } from './aws/telemetry/telemetry.ts';
import { doorEnv, holdEnv, telemetryEnv, waitingEnv } from './env.ts';
import { answerHeld } from './http/answer-channel.ts';
import { channelRoutes } from './http/channel-routes.ts';
import { behindDoor } from './http/door.ts';
import { enteredOnce, heldReader } from './http/held-reader.ts';
import { httpHandler } from './http/http-handler.ts';
import { holdMsOf, parseHeld } from './http/parse-read.ts';
import { parameterOf, READ_PARAMETERS } from './http/query.ts';
import { stopping } from './http/stopping.ts';
import { cursorAfter } from './http/streams/stream-cursor.ts';
import { quotaSlotOf, refusingQuota, withQuotaSlot } from './hub/hold/caller-quota.ts';
import { holdRead } from './hub/hold/held-read.ts';
import { readingOf } from './hub/keyed/read-keyed.ts';
import { limited } from './hub/log/read-log.ts';
import { disconnectAt } from './hub/push/disconnect.ts';

const { env } = process;
const client = documentClient();
const settings = { ...waitingEnv.read(env), ...doorEnv.readIfSet(env) };
const callers = callersInAws(settings);
const hold = holdInAws(settings, client, 'hold');
const { clock } = hold.log;
const presence = presenceInAws(env, client, settings);
// A new poll does not displace an older one: the older one would return at once and displace another. A refused caller polls.
const perCaller = refusingQuota(settings.HELD_PER_CALLER);
const quota = heldQuotaInAws(hold, settings, client, 'hold', perCaller);
// Behind API Gateway a function is not told that its caller has gone: only time ends a hold.
const signal = stopping();
const longestMs = holdEnv.read(env).HOLD_SECONDS * 1_000;

const routes = channelRoutes({
  ...callers,
  // The gateway cannot choose a function by the query, so a held read has a path of its own.
  prefix: '/hold',
  routes: {
    GET: {
      operation: 'subscribe',
      parameters: READ_PARAMETERS,
      answer: async ({ channel: name, caller, raw, arrivedAt }) => {
        const asked = parseHeld(raw);
        const reader = await heldReader(presence, { raw, caller, names: [name], transport: 'long-poll' });
        const now = clock();
        const ms = Math.min(holdMsOf(raw, longestMs, now - (arrivedAt ?? now)), disconnectAt(caller) - now);
        const until = hold.timer.now() + ms;
        const slot = quotaSlotOf(quota, caller.principal, clock() + ms);
        const present = enteredOnce(reader, clock() + ms);
        const reading = readingOf(asked.isConflated);
        const wake = withQuotaSlot(slot, present.during(hold.wake));
        const waiting = { ...hold, reading, wake };
        const held = await holdRead(waiting, name, asked.from, until, signal).finally(() => slot.leave());
        await present.isEntered();
        const isPublic = callers.access.isPublic('subscribe', name);
        const result = limited(held.result, asked.limit);
        count('Delivered', result.messages.length);
        const cursor = cursorAfter(parameterOf(raw, 'cursor'), clock(), Math.random);
        return answerHeld({ ...held, result, asked, isPublic, now: clock(), ifNoneMatch: null }, cursor);
      },
    },
  },
});

/** Answers one long poll of the HTTP API. */
export const handler = watched(
  telemetryEnv.read(env),
  behindDoor(settings.DOOR, callers.logRefusal, httpHandler(routes)),
);

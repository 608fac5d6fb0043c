/**
 * The door of long polling: GET that is held until there is something (PROTOCOL.md §5.1).
 * @module
 */
import { accessInAws } from './aws/access.ts';
import { holdInAws } from './aws/hold.ts';
import { count, logDefect, logRefusal, watched } from './aws/telemetry.ts';
import { accessEnv, holdEnv, listenersEnv, logEnv, telemetryEnv, wakeEnv } from './env.ts';
import { answerHeld } from './http/answer.ts';
import { httpHandler } from './http/app.ts';
import { cursorAfter } from './http/cursor.ts';
import { holdMsOf, parseFrom } from './http/parse.ts';
import { holdRead } from './hub/hold.ts';

const hold = holdInAws({
  ...logEnv.read(process.env),
  ...accessEnv.read(process.env),
  ...listenersEnv.read(process.env),
  ...wakeEnv.read(process.env),
});
const access = accessInAws(accessEnv.read(process.env));
const longestMs = Number(holdEnv.read(process.env).HOLD_SECONDS) * 1_000;

const answer = httpHandler({
  access,
  logDefect,
  logRefusal,
  // The gateway cannot tell a held read by its query, so it comes by a path of its own.
  prefix: '/hold',
  routes: {
    GET: {
      operation: 'subscribe',
      answer: async ({ channel: name, raw }) => {
        const asked = parseFrom(raw, 'long-poll');
        const until = hold.timer.now() + holdMsOf(raw, longestMs);
        // Behind API Gateway nobody tells a function that its caller has gone, so nothing ends the hold but time.
        const held = await holdRead(hold, name, asked, until, new AbortController().signal);
        const answer = { ...held, asked, isPublic: access.isPublic('subscribe', name), ifNoneMatch: null };
        count('Delivered', held.result.messages.length);
        const cursor = new URL(raw.url).searchParams.get('cursor');
        return answerHeld(answer, cursorAfter(cursor, hold.log.clock(), Math.random));
      },
    },
  },
});

export const handler = watched(telemetryEnv.read(process.env), answer);

/**
 * The handler of readers: GET catches up, HEAD describes, and GET /channels lists (PROTOCOL.md §5, §6).
 * @module
 */
import { callersInAws, cursorsInAws } from './aws/compose-access.ts';
import { logInAws } from './aws/compose-log.ts';
import { documentClient } from './aws/dynamodb/document-client.ts';
import { timerOfMachine } from './aws/machine-timer.ts';
import { rollInAws } from './aws/presence/compose-presence.ts';
import { count, watched } from './aws/telemetry/telemetry.ts';
import { accessEnv, doorEnv, logEnv, originsEnv, snapshotsEnv, telemetryEnv } from './env.ts';
import { answerHead, answerRead, redirectToHold, streamsAreElsewhere } from './http/answer-channel.ts';
import { channelRoutes } from './http/channel-routes.ts';
import { behindDoor } from './http/door.ts';
import { answerPresence } from './http/held-reader.ts';
import { httpHandler } from './http/http-handler.ts';
import { listChannels } from './http/list-channels.ts';
import { parseMode, parseRead } from './http/parse-read.ts';
import { READ_PARAMETERS } from './http/query.ts';
import { readPastGaps } from './hub/hold/held-read.ts';
import { find } from './hub/log/lifecycle.ts';
import { readOnce } from './hub/log/read-before.ts';

const { env } = process;
const client = documentClient();
const log = logInAws({ ...logEnv.read(env), ...snapshotsEnv.read(env) }, client);
const settings = { ...accessEnv.read(env), ...originsEnv.read(env) };
const callers = callersInAws(settings);
const listing = { ...callers, log, cursors: cursorsInAws(settings, 'channels') };
const roll = rollInAws(env, client);
const present = roll && { ...callers, ...roll, clock: log.clock };

const routes = channelRoutes({
  ...callers,
  list: (raw, caller) => listChannels(listing, raw, caller),
  ...(present && { presence: (channel, raw, caller) => answerPresence(present, channel, raw, caller) }),
  routes: {
    GET: {
      operation: 'subscribe',
      parameters: READ_PARAMETERS,
      answer: async ({ channel: name, raw }) => {
        const mode = parseMode(raw);
        if (mode === 'long-poll') return redirectToHold(raw);
        if (mode !== 'catch-up') throw streamsAreElsewhere();
        const request = parseRead(raw);
        const { channel, result } = await readPastGaps({ log, timer: timerOfMachine }, name, (channel) =>
          readOnce(log, channel, request),
        );
        const isPublic = callers.access.isPublic('subscribe', name);
        const ifNoneMatch = raw.headers.get('if-none-match');
        const response = answerRead({
          channel,
          asked: request,
          result,
          isPublic,
          now: log.clock(),
          ifNoneMatch,
        });
        if (response.status === 200) count('Delivered', result.messages.length);
        return response;
      },
    },
    HEAD: {
      operation: 'subscribe',
      parameters: READ_PARAMETERS,
      answer: async ({ channel }) => answerHead(await find(log, channel)),
    },
  },
});

/** Answers one read of the HTTP API. */
export const handler = watched(
  telemetryEnv.read(env),
  behindDoor(doorEnv.readIfSet(env)?.DOOR, callers.logRefusal, httpHandler(routes)),
);

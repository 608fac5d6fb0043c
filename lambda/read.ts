/**
 * The handler of readers: GET catches up, HEAD describes (PROTOCOL.md §5, §6).
 * @module
 */
import { callersInAws } from './aws/compose-access.ts';
import { logInAws } from './aws/compose-log.ts';
import { timerOfMachine } from './aws/machine-timer.ts';
import { count, watched } from './aws/telemetry/telemetry.ts';
import { accessEnv, logEnv, originsEnv, telemetryEnv } from './env.ts';
import { answerHead, answerRead, redirectToHold, streamsAreElsewhere } from './http/answer-channel.ts';
import { channelRoutes } from './http/channel-routes.ts';
import { httpHandler } from './http/http-handler.ts';
import { parseFrom, parseMode } from './http/parse-channel.ts';
import { READ_PARAMETERS } from './http/query.ts';
import { readPastGaps } from './hub/hold/held-read.ts';
import { find } from './hub/log/lifecycle.ts';

const { env } = process;
const log = logInAws(logEnv.read(env));
const callers = callersInAws({ ...accessEnv.read(env), ...originsEnv.read(env) });

const routes = channelRoutes({
  ...callers,
  routes: {
    GET: {
      operation: 'subscribe',
      parameters: READ_PARAMETERS,
      answer: async ({ channel: name, raw }) => {
        const mode = parseMode(raw);
        if (mode === 'long-poll') return redirectToHold(raw);
        if (mode !== 'catch-up') throw streamsAreElsewhere();
        const asked = parseFrom(raw, mode);
        const { channel, result } = await readPastGaps({ log, timer: timerOfMachine }, name, asked);
        const isPublic = callers.access.isPublic('subscribe', name);
        const ifNoneMatch = raw.headers.get('if-none-match');
        const response = answerRead({ channel, asked, result, isPublic, ifNoneMatch });
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
export const handler = watched(telemetryEnv.read(env), httpHandler(routes));

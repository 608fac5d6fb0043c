/**
 * The door of readers: GET catches up, HEAD describes (PROTOCOL.md §5, §6).
 * @module
 */
import { parseOrigins } from './access/origins.ts';
import { accessInAws } from './aws/compose-access.ts';
import { logInAws } from './aws/compose-log.ts';
import { timerOfMachine } from './aws/machine-timer.ts';
import { count, logDefect, logRefusal, watched } from './aws/telemetry/telemetry.ts';
import { accessEnv, logEnv, originsEnv, telemetryEnv } from './env.ts';
import { answerHead, answerRead, redirectToHold, streamsAreElsewhere } from './http/answer-channel.ts';
import { channelRoutes } from './http/channel-routes.ts';
import { httpHandler } from './http/http-handler.ts';
import { parseFrom, parseMode } from './http/parse-channel.ts';
import { READ_PARAMETERS } from './http/query.ts';
import { readPastGaps } from './hub/hold/held-read.ts';
import { find } from './hub/log/lifecycle.ts';

const log = logInAws(logEnv.read(process.env));
const access = accessInAws(accessEnv.read(process.env));

const routes = channelRoutes({
  access,
  origins: parseOrigins(originsEnv.read(process.env).ORIGINS),
  logDefect,
  logRefusal,
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
        const isPublic = access.isPublic('subscribe', name);
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

export const handler = watched(telemetryEnv.read(process.env), httpHandler(routes));

/**
 * The door of publishers: POST appends, PUT creates, DELETE removes (PROTOCOL.md §4, §6).
 * @module
 */
import { accessInAws } from './aws/access.ts';
import { logInAws } from './aws/log.ts';
import { logDefect } from './aws/telemetry.ts';
import { accessEnv, logEnv } from './env.ts';
import { answerAppended, answerCreated, answerRemoved } from './http/answer.ts';
import { httpHandler } from './http/app.ts';
import { parseAppend, parseCreate } from './http/parse.ts';
import { append } from './hub/append.ts';
import { create, remove } from './hub/lifecycle.ts';
import { appendOnce } from './hub/once.ts';

const log = logInAws(logEnv.read(process.env));

export const handler = httpHandler({
  access: accessInAws(accessEnv.read(process.env)),
  logDefect,
  routes: {
    POST: {
      operation: 'publish',
      answer: async ({ channel, raw }) => {
        const { append: request, once } = await parseAppend(channel, raw);
        const appended = once ? await appendOnce(log, request, once) : await append(log, request);
        return answerAppended(appended, request.producer?.epoch);
      },
    },
    PUT: {
      operation: 'publish',
      answer: async ({ channel, raw }) =>
        answerCreated(await create(log, await parseCreate(channel, raw)), raw.url),
    },
    DELETE: {
      operation: 'manage',
      answer: async ({ channel }) => {
        await remove(log, channel);
        return answerRemoved();
      },
    },
  },
});

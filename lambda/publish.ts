/**
 * The door of publishers: POST appends, PUT creates, DELETE removes (PROTOCOL.md §4, §6). Tickets are issued here, and
 * sockets ended on request.
 * @module
 */
import { parseOrigins } from './access/origins.ts';
import { accessInAws } from './aws/compose-access.ts';
import { logInAws } from './aws/compose-log.ts';
import { documentClient } from './aws/dynamodb/document-client.ts';
import { subscribersInDynamoDb } from './aws/dynamodb/subscribers-table.ts';
import { ticketsInAws } from './aws/dynamodb/used-tickets.ts';
import { disconnectsBySqs } from './aws/queues/push-queue.ts';
import { hintsInAws } from './aws/queues/send-hints.ts';
import { count, logDefect, logRefusal, watched } from './aws/telemetry/telemetry.ts';
import {
  accessEnv,
  dispatchEnv,
  hintEnv,
  jobEnv,
  listenersEnv,
  logEnv,
  originsEnv,
  telemetryEnv,
} from './env.ts';
import { answerAppended, answerCreated, answerRemoved, answerTicket } from './http/answer-channel.ts';
import { channelRoutes } from './http/channel-routes.ts';
import { endConnections } from './http/end-connections.ts';
import { httpHandler } from './http/http-handler.ts';
import { parseAppend, parseCreate } from './http/parse-channel.ts';
import { append } from './hub/log/append.ts';
import { appendOnce } from './hub/log/idempotency-key.ts';
import { create, remove } from './hub/log/lifecycle.ts';

const client = documentClient();
const settings = logEnv.read(process.env);
const jobs = jobEnv.read(process.env);
const who = accessEnv.read(process.env);
const hint = hintsInAws({ ...hintEnv.read(process.env), ...jobs, ...dispatchEnv.read(process.env) });
const log = { ...logInAws(settings, client), hint };
const access = accessInAws(who);
const tickets = ticketsInAws(who, settings.KEYS_TABLE, client);
const kicking = {
  log,
  subscribers: subscribersInDynamoDb(client, listenersEnv.read(process.env).SUBSCRIBERS_TABLE),
  goodbyes: disconnectsBySqs(jobs.PUSH_QUEUE_URL),
};

const routes = channelRoutes({
  access,
  origins: parseOrigins(originsEnv.read(process.env).ORIGINS),
  logDefect,
  logRefusal,
  connections: (raw, caller) => endConnections(access, kicking, raw, caller),
  tickets: async (raw) => answerTicket(await tickets.issue(await access.identify(raw.headers))),
  routes: {
    POST: {
      operation: 'publish',
      parameters: [],
      answer: async ({ channel, raw }) => {
        const { append: request, once } = await parseAppend(channel, raw);
        const appended = once ? await appendOnce(log, request, once) : await append(log, request);
        count('Published', appended.count);
        return answerAppended(appended, request.producer?.epoch);
      },
    },
    PUT: {
      operation: 'publish',
      parameters: [],
      answer: async ({ channel, raw }) => {
        const created = await create(log, await parseCreate(channel, raw));
        count('Published', created.count);
        return answerCreated(created, raw.url);
      },
    },
    DELETE: {
      operation: 'manage',
      parameters: [],
      answer: async ({ channel }) => {
        await remove(log, channel);
        return answerRemoved();
      },
    },
  },
});

export const handler = watched(telemetryEnv.read(process.env), httpHandler(routes));

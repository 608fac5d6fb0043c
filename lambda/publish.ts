/**
 * The handler of publishers: POST appends, PUT creates, DELETE removes (PROTOCOL.md §4, §6). It also issues tickets, and
 * lists and ends sockets on request.
 * @module
 */
import { callersInAws, cursorsInAws } from './aws/compose-access.ts';
import { hooksInAws } from './aws/compose-hooks.ts';
import { publishingInAws } from './aws/compose-publishing.ts';
import { removalsBySns } from './aws/queues/fold-queue.ts';
import { count, watched } from './aws/telemetry/telemetry.ts';
import { doorEnv, publishingEnv, telemetryEnv } from './env.ts';
import {
  answerAppended,
  answerCreated,
  answerEphemeral,
  answerRemoved,
  answerTicket,
} from './http/answer-channel.ts';
import { type ChannelRequest, channelRoutes } from './http/channel-routes.ts';
import { endConnections, listConnections } from './http/connection-routes.ts';
import { behindDoor } from './http/door.ts';
import { httpHandler } from './http/http-handler.ts';
import { isEphemeral, parseAppend, parseCreate, parseEphemeral } from './http/parse-channel.ts';
import { removeWithSnapshot } from './hub/keyed/remove-keyed.ts';
import { append } from './hub/log/append.ts';
import { appendOnce } from './hub/log/idempotency-key.ts';
import { create } from './hub/log/lifecycle.ts';

const { env } = process;
const settings = publishingEnv.read(env);
const callers = callersInAws(settings);
const publishing = publishingInAws(settings, hooksInAws(env));
const { access } = callers;
const { log, tickets, publishEphemeral } = publishing;
const listing = { ...publishing, access, cursors: cursorsInAws(settings, 'connections') };

/** Returns what belongs to a publish of a caller on a channel, beside the request. */
const aboutPublish = ({ channel, caller }: ChannelRequest) => ({
  stamp: publishing.stampFor(channel, caller),
  hook: publishing.hookFor(channel, caller),
});
const askForRemoval = removalsBySns(settings.HINTS_TOPIC_ARN);

const routes = channelRoutes({
  ...callers,
  connections: {
    list: (raw, caller) => listConnections(listing, raw, caller),
    end: (raw, caller) => endConnections(access, publishing, raw, caller),
  },
  tickets: async (raw) => answerTicket(await tickets.issue(await access.identify(raw.headers))),
  routes: {
    POST: {
      operation: 'publish',
      parameters: [],
      answer: async (asked) => {
        const { channel, raw } = asked;
        const about = aboutPublish(asked);
        if (isEphemeral(raw)) {
          const sent = await publishEphemeral({ ...(await parseEphemeral(channel, raw)), ...about });
          count('Published', sent);
          return answerEphemeral();
        }
        const { append: parsed, once } = await parseAppend(channel, raw);
        const request = { ...parsed, ...about };
        const appended = once ? await appendOnce(log, request, once) : await append(log, request);
        count('Published', appended.count);
        return answerAppended(appended, request.producer?.epoch);
      },
    },
    PUT: {
      operation: 'publish',
      parameters: [],
      answer: async (asked) => {
        const { channel, raw } = asked;
        const request = { ...(await parseCreate(channel, raw)), ...aboutPublish(asked) };
        const created = await create(log, request);
        count('Published', created.count);
        return answerCreated(created, raw.url);
      },
    },
    DELETE: {
      operation: 'manage',
      parameters: [],
      answer: async ({ channel }) => {
        await removeWithSnapshot(log, askForRemoval, channel);
        return answerRemoved();
      },
    },
  },
});

/** Answers one request of the HTTP API: POST, PUT or DELETE. */
export const handler = watched(
  telemetryEnv.read(env),
  behindDoor(doorEnv.readIfSet(env)?.DOOR, callers.logRefusal, httpHandler(routes)),
);

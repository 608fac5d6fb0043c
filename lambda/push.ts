/**
 * The door of the push: takes hints, jobs and goodbyes from the queue, posts to sockets and ends them (PROTOCOL.md §12.4,
 * §12.6), and publishes the hints that the topic was too busy for.
 * @module
 */

import { pushInAws } from './aws/compose-push.ts';
import { pushQueue } from './aws/queues/push-queue.ts';
import { queueHandler } from './aws/queues/queue-handler.ts';
import { logDefect, watched } from './aws/telemetry/telemetry.ts';
import { hintEnv, jobEnv, listenersEnv, logEnv, pushEnv, telemetryEnv } from './env.ts';
import { onDisconnectRequest } from './hub/push/disconnect.ts';
import { onHint, onJob } from './hub/push/on-hint.ts';

const push = pushInAws(
  {
    ...logEnv.read(process.env),
    ...listenersEnv.read(process.env),
    ...hintEnv.read(process.env),
    ...jobEnv.read(process.env),
    ...pushEnv.read(process.env),
  },
  process.env,
);

/** A round of the slowest kind, in milliseconds: 10 s until the last post is over, then two writes of up to 2.6 s each. */
const LAST_ROUND_MS = 15_000;

const take = queueHandler({
  format: pushQueue,
  lastMs: LAST_ROUND_MS,
  logDefect,
  async work(work, until) {
    if (work.kind === 'hint') await onHint(push, work, until);
    else if (work.kind === 'job') await onJob(push, work, until);
    else if (work.kind === 'relay') await push.relay(work);
    else await onDisconnectRequest(push, work, until);
  },
});

export const handler = watched(telemetryEnv.read(process.env), take);

/**
 * The handler of the push queue. Hints and jobs become posts to sockets, disconnect requests end sockets (PROTOCOL.md §12.4,
 * §12.6), and delayed hints are published to the topic, which was too busy before.
 * @module
 */

import { pushInAws } from './aws/compose-push.ts';
import { pushQueue } from './aws/queues/push-queue.ts';
import { queueHandler } from './aws/queues/queue-handler.ts';
import { logDefect, watched } from './aws/telemetry/telemetry.ts';
import { hintEnv, jobEnv, listenersEnv, logEnv, pushEnv, snapshotsEnv, telemetryEnv } from './env.ts';
import { onDisconnectRequest } from './hub/push/disconnect.ts';
import { onHint, onJob } from './hub/push/on-hint.ts';

const { env } = process;
const settings = {
  ...logEnv.read(env),
  ...snapshotsEnv.read(env),
  ...listenersEnv.read(env),
  ...hintEnv.read(env),
  ...jobEnv.read(env),
  ...pushEnv.read(env),
};
const push = pushInAws(settings, env);

/** The longest push pass, in milliseconds: 10 s until the last post is over, then two writes of up to 2.6 s each. */
const LAST_PASS_MS = 15_000;

const handleBatch = queueHandler({
  format: pushQueue,
  lastMs: LAST_PASS_MS,
  logDefect,
  async work(work, until) {
    if (work.kind === 'hint') await onHint(push, work, until);
    else if (work.kind === 'job') await onJob(push, work, until);
    else if (work.kind === 'delayed-hint') await push.handleDelayedHint(work);
    else await onDisconnectRequest(push, work, until);
  },
});

/** Handles one batch of messages of the push queue. */
export const handler = watched(telemetryEnv.read(env), handleBatch);

/**
 * The door of the push: takes hints and jobs from the queue, and posts to sockets (PROTOCOL.md §12.4).
 * @module
 */
import { queueHandler } from './aws/batch.ts';
import { pushInAws } from './aws/push.ts';
import { pushQueue } from './aws/queue.ts';
import { logDefect, watched } from './aws/telemetry.ts';
import { jobEnv, listenersEnv, logEnv, pushEnv, telemetryEnv } from './env.ts';
import { onHint, onJob } from './hub/hint.ts';

const push = pushInAws(
  {
    ...logEnv.read(process.env),
    ...listenersEnv.read(process.env),
    ...jobEnv.read(process.env),
    ...pushEnv.read(process.env),
  },
  process.env,
);

/** A round of posts and its commit, in milliseconds. */
const LAST_ROUND_MS = 20_000;

const take = queueHandler({
  carries: pushQueue,
  lastMs: LAST_ROUND_MS,
  logDefect,
  work: async (work, until) =>
    work.kind === 'hint' ? await onHint(push, work, until) : await onJob(push, work, until),
});

export const handler = watched(telemetryEnv.read(process.env), take);

/**
 * The handler of the fold: stores the newest message of each key of keyed channels, so that they outlive the retention (PROTOCOL.md
 * §5.4). Nobody waits for it.
 * @module
 */
import { Refusal } from '../protocol/errors.ts';
import { logInAws } from './aws/compose-log.ts';
import { foldQueue, foldsBySqs } from './aws/queues/fold-queue.ts';
import { queueHandler } from './aws/queues/queue-handler.ts';
import { logDefect, watched } from './aws/telemetry/telemetry.ts';
import { foldEnv, logEnv, snapshotsEnv, telemetryEnv } from './env.ts';
import { fewAtOnce } from './hub/keyed/few-at-once.ts';
import { foldChannel } from './hub/keyed/fold-channel.ts';
import { onRemoved } from './hub/keyed/remove-keyed.ts';

const { env } = process;
const folding = {
  log: logInAws({ ...logEnv.read(env), ...snapshotsEnv.read(env) }),
  queue: foldsBySqs(foldEnv.read(env).FOLD_QUEUE_URL),
};

/** The longest time for sixteen pages of the log and the chunks that they are merged with, in milliseconds. */
const LAST_FOLD_MS = 30_000;

/** Folds at a time. Each has up to 16 MB of the log in memory, and what it merges. */
const MOST_FOLDS = 4;
const inTurn = fewAtOnce(MOST_FOLDS);

const handleBatch = queueHandler({
  format: foldQueue,
  lastMs: LAST_FOLD_MS,
  logDefect,
  work: (task, until) =>
    inTurn(async () => {
      // The queue delivers it again.
      if (folding.log.clock() >= until) throw new Refusal('unavailable', 'there was no time for this fold');
      if (task.kind === 'grown') await foldChannel(folding, task.channel, until);
      else await onRemoved(folding, task);
    }),
});

/** Handles one batch of messages of the fold queue. */
export const handler = watched(telemetryEnv.read(env), handleBatch);

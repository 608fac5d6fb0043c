/**
 * The handler of presence: compares who is in a channel with what its readers know, and publishes the difference (PROTOCOL.md §14).
 * @module
 */
import { documentClient } from './aws/dynamodb/document-client.ts';
import { settlingInAws } from './aws/presence/compose-presence.ts';
import { lookQueue } from './aws/presence/look-messages.ts';
import { queueHandler } from './aws/queues/queue-handler.ts';
import { logDefect, watched } from './aws/telemetry/telemetry.ts';
import {
  dispatchEnv,
  hintEnv,
  jobEnv,
  listenersEnv,
  logEnv,
  lookEnv,
  snapshotsEnv,
  telemetryEnv,
} from './env.ts';
import { settle } from './hub/presence/settle.ts';

const { env } = process;
const settings = {
  ...logEnv.read(env),
  ...snapshotsEnv.read(env),
  ...listenersEnv.read(env),
  ...hintEnv.read(env),
  ...jobEnv.read(env),
  ...dispatchEnv.read(env),
  ...lookEnv.read(env),
};
const settling = settlingInAws(settings, documentClient());

/** The longest comparison and publish, in milliseconds: reads, a claim that waits for 5 s, a write, a hint. */
const LAST_SETTLE_MS = 15_000;

const handleBatch = queueHandler({
  format: lookQueue,
  lastMs: LAST_SETTLE_MS,
  logDefect,
  work: async ({ channel }, until) => await settle(settling, channel, until),
});

/** Handles one batch of messages of the presence queue. */
export const handler = watched(telemetryEnv.read(env), handleBatch);

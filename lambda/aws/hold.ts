/**
 * Holding in a deployed hub: the log, woken by re-reading, timed by the machine's monotonic clock.
 * @module
 */
import { randomUUID } from 'node:crypto';
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import type { Hold, Timer } from '../hub/hold.ts';
import { rereading } from '../hub/reread.ts';
import { sharingReads } from '../hub/shared-reads.ts';
import { documentClient } from './dynamodb.ts';
import { type LogSettings, logInAws } from './log.ts';
import { waitsInDynamoDb } from './waits-dynamodb.ts';

export interface HoldSettings extends LogSettings {
  readonly SUBSCRIBERS_TABLE: string;
}

/** Immune to a clock that is set: a hold must neither end nor go on because of that. */
const timer: Timer = {
  now: () => performance.now(),
  sleep: async (ms, signal) => {
    await wait(Math.max(0, ms), undefined, { signal }).catch(() => {});
  },
};

export function holdInAws(settings: HoldSettings): Hold {
  const client = documentClient();
  const log = sharingReads(logInAws(settings, client), turn);
  const waits = waitsInDynamoDb(client, settings.SUBSCRIBERS_TABLE, randomUUID());
  return { log, timer, wake: rereading({ log, waits, timer }) };
}

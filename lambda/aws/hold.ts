/**
 * Holding in a deployed hub: the log, woken by push, timed by the machine's monotonic clock.
 * @module
 */
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import type { Hold, Timer } from '../hub/hold.ts';
import { rereading } from '../hub/reread.ts';
import { sharingReads } from '../hub/shared-reads.ts';
import { pushed } from '../hub/wake.ts';
import type { AccessSettings } from './access.ts';
import { documentClient } from './dynamodb.ts';
import { earTo } from './ear.ts';
import { type LogSettings, logInAws } from './log.ts';
import { logDefect } from './telemetry.ts';
import { tokenKeysInSecretsManager } from './token-keys.ts';
import { waitsInDynamoDb } from './waits-dynamodb.ts';

export interface HoldSettings extends LogSettings, AccessSettings {
  readonly SUBSCRIBERS_TABLE: string;
  readonly SOCKET_URL: string;
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
  const ear = earTo({
    url: settings.SOCKET_URL,
    keys: tokenKeysInSecretsManager(settings.TOKEN_SECRET_ARN, Date.now),
    audience: settings.TOKEN_AUDIENCE,
    clock: Date.now,
    logDefect,
  });
  const waits = waitsInDynamoDb(client, settings.SUBSCRIBERS_TABLE);
  return { log, timer, wake: pushed({ log, waits, timer, ear, fallback: rereading({ log, timer }) }) };
}

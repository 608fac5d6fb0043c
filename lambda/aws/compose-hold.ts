/**
 * Held requests in a deployed hub: the log, the push that wakes them, the machine's monotonic clock, and a quota per caller.
 * @module
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { keptBookings, type Quota, type QuotaParts } from '../hub/hold/caller-quota.ts';
import type { Hold } from '../hub/hold/held-read.ts';
import { rereading } from '../hub/hold/reread.ts';
import { sharingReads } from '../hub/hold/shared-reads.ts';
import { pushed } from '../hub/hold/wake.ts';
import type { DocumentClient } from './calls/document-calls.ts';
import type { AccessSettings } from './compose-access.ts';
import { type LogSettings, logInAws } from './compose-log.ts';
import { quotaInDynamoDb } from './dynamodb/quota-table.ts';
import { waitsInDynamoDb } from './dynamodb/subscribers-table.ts';
import { timerOfMachine as timer } from './machine-timer.ts';
import { wakeSocketTo } from './sockets/wake-socket.ts';
import { logDefect } from './telemetry/telemetry.ts';
import { tokenKeysInSecretsManager } from './token-keys.ts';

/** The variables of `logEnv`, `accessEnv`, `listenersEnv` and `wakeEnv` (lambda/env.ts). */
export interface HoldSettings extends LogSettings, AccessSettings {
  /** Name of the Subscribers table. */
  readonly SUBSCRIBERS_TABLE: string;
  /** URL of the WebSocket API, for the wake socket. */
  readonly SOCKET_URL: string;
}

/** Returns what a held request needs: the log, how to wait for news on it, and the clock of the wait. */
export function holdInAws(settings: HoldSettings, client: DocumentClient): Hold {
  const log = sharingReads(logInAws(settings, client), nextTurn);
  const wakeSocket = wakeSocketTo({
    url: settings.SOCKET_URL,
    keys: tokenKeysInSecretsManager(settings.TOKEN_SECRET_ARN, Date.now),
    audience: settings.TOKEN_AUDIENCE,
    clock: Date.now,
    logDefect,
  });
  const waits = waitsInDynamoDb(client, settings.SUBSCRIBERS_TABLE);
  const fallback = rereading({ log, timer });
  return { log, timer, wake: pushed({ log, waits, timer, wakeSocket, fallback, logDefect }) };
}

/** Returns the quota of held requests. @param kind the requests that are counted together; each kind has rows of its own */
export const heldQuotaInAws = (
  { log, timer }: Hold,
  { SUBSCRIBERS_TABLE }: HoldSettings,
  client: DocumentClient,
  kind: 'hold' | 'stream',
  quota: Quota | undefined,
): QuotaParts => ({
  store: quotaInDynamoDb(client, SUBSCRIBERS_TABLE, kind),
  quota,
  clock: log.clock,
  timer,
  newId: log.newId,
  logDefect,
  kept: keptBookings(),
});

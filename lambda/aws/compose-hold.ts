/**
 * Holding in a deployed hub: the log, woken by push, timed by the machine's monotonic clock.
 * @module
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { Hold } from '../hub/hold/held-read.ts';
import { rereading } from '../hub/hold/reread.ts';
import { sharingReads } from '../hub/hold/shared-reads.ts';
import { pushed } from '../hub/hold/wake.ts';
import type { AccessSettings } from './compose-access.ts';
import { type LogSettings, logInAws } from './compose-log.ts';
import { waitsInDynamoDb } from './dynamodb/waits-table.ts';
import { timerOfMachine as timer } from './machine-timer.ts';
import { wakeSocketTo } from './sockets/wake-socket.ts';
import { logDefect } from './telemetry/telemetry.ts';
import { tokenKeysInSecretsManager } from './token-keys.ts';

export interface HoldSettings extends LogSettings, AccessSettings {
  readonly SUBSCRIBERS_TABLE: string;
  readonly SOCKET_URL: string;
}

export function holdInAws(settings: HoldSettings, client: DynamoDBDocumentClient): Hold {
  const log = sharingReads(logInAws(settings, client), turn);
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

/**
 * Held requests in a deployed hub: the log, the push that wakes them, the machine's monotonic clock, and a quota per caller.
 * @module
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { EDGE_DOOR } from '../../protocol/headers.ts';
import { inboxesOf, type OpenInbox } from '../hub/ephemeral/inbox.ts';
import { keptBookings, type Quota, type QuotaParts } from '../hub/hold/caller-quota.ts';
import type { Hold } from '../hub/hold/held-read.ts';
import { rereading } from '../hub/hold/reread.ts';
import { sharingReads } from '../hub/hold/shared-reads.ts';
import { pushed } from '../hub/hold/wake.ts';
import { nameOfPolls } from '../hub/waiting-names.ts';
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
  /** The secret of the front door, if the WebSocket API takes only connections that have it. */
  readonly DOOR?: string;
}

/** What held requests need. Streams also need the ephemeral messages that come by the wake socket. */
export interface HoldParts extends Hold {
  /** Opens inboxes for ephemeral messages. */
  readonly openInbox: OpenInbox;
}

/** The requests that a process holds: long polls, or streams. */
type Kind = 'hold' | 'stream';

/** Returns what a held request needs: the log, how to wait for news on it, and the clock of the wait. */
export function holdInAws(settings: HoldSettings, client: DocumentClient, kind: Kind): HoldParts {
  const log = sharingReads(logInAws(settings, client), nextTurn);
  const wakeSocket = wakeSocketTo({
    url: settings.SOCKET_URL,
    headers: settings.DOOR === undefined ? {} : { [EDGE_DOOR]: settings.DOOR },
    keys: tokenKeysInSecretsManager(settings.TOKEN_SECRET_ARN, Date.now),
    audience: settings.TOKEN_AUDIENCE,
    clock: Date.now,
    logDefect,
  });
  const store = waitsInDynamoDb(client, settings.SUBSCRIBERS_TABLE);
  const nameOf = (connection: string): string => (kind === 'hold' ? nameOfPolls(connection) : connection);
  const waits: typeof store = {
    ...store,
    show: async (channel, connection, now) => await store.show(channel, nameOf(connection), now),
  };
  const fallback = rereading({ log, timer });
  const wake = pushed({ log, waits, timer, wakeSocket, fallback, logDefect });
  return { log, timer, wake, openInbox: inboxesOf(wakeSocket) };
}

/** Returns the quota of held requests. @param kind the requests that are counted together; each kind has rows of its own */
export const heldQuotaInAws = (
  { log, timer }: Hold,
  { SUBSCRIBERS_TABLE }: HoldSettings,
  client: DocumentClient,
  kind: Kind,
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

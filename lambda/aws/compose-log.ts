/**
 * The log of a deployed hub: DynamoDB, the machine's clock, random ids.
 * @module
 */
import { randomUUID } from 'node:crypto';
import { recent } from '../hub/bounded-map.ts';
import { rememberingChunks } from '../hub/keyed/chunk-memory.ts';
import { sparingBusyChannels } from '../hub/log/busy-channels.ts';
import type { Log, Publishing } from '../hub/log/log-ports.ts';
import { channelsInDynamoDb } from './dynamodb/channels-table.ts';
import { documentClient } from './dynamodb/document-client.ts';
import { entriesInDynamoDb } from './dynamodb/entries-table.ts';
import { snapshotsInDynamoDb } from './dynamodb/keyed/snapshots-table.ts';
import { keysInDynamoDb } from './dynamodb/keys-table.ts';
import { type HintSettings, hintsInAws } from './queues/send-hints.ts';

/** The variables of `logEnv`, and of `snapshotsEnv` if the function has it (lambda/env.ts). */
export interface LogSettings {
  /** Name of the Channels table. */
  readonly CHANNELS_TABLE: string;
  /** Name of the Entries table. */
  readonly ENTRIES_TABLE: string;
  /** Name of the Keys table. */
  readonly KEYS_TABLE: string;
  /** Name of the Snapshots table; absent in a function that reads no snapshot. */
  readonly SNAPSHOTS_TABLE?: string;
  /** Whole days, at least 1. */
  readonly RETENTION_DAYS: number;
  /** The use of a channel that does not exist: a publish creates it, or is refused. */
  readonly CHANNEL_CREATION: Log['channelCreation'];
}

const DAY_MS = 24 * 3_600_000;

/** No table has this name, and no function may use it: a snapshot that is read by mistake is a defect that is logged. */
const NO_TABLE = 'none';

/** Returns the log. @param client the DynamoDB client, to share its connections with other stores */
export function logInAws(settings: LogSettings, client = documentClient()): Log {
  return {
    channels: sparingBusyChannels(channelsInDynamoDb(client, settings.CHANNELS_TABLE), Date.now),
    entries: entriesInDynamoDb(client, settings.ENTRIES_TABLE),
    keys: keysInDynamoDb(client, settings.KEYS_TABLE),
    snapshots: rememberingChunks(snapshotsInDynamoDb(client, settings.SNAPSHOTS_TABLE ?? NO_TABLE)),
    clock: Date.now,
    newId: randomUUID,
    channelCreation: settings.CHANNEL_CREATION,
    retentionMs: settings.RETENTION_DAYS * DAY_MS,
  };
}

/** Keyed channels whose key a process remembers. A publish on any other keyed channel costs a claim and a read more. */
const KEYS_REMEMBERED = 10_000;

/** Returns the log with what a publish needs. @param client the DynamoDB client, to share its connections with other stores */
export const publishingInLog = (
  settings: LogSettings & HintSettings,
  client = documentClient(),
): Publishing => ({
  ...logInAws(settings, client),
  hint: hintsInAws(settings),
  streamKeys: recent(KEYS_REMEMBERED),
});

/**
 * The log of a deployed hub: DynamoDB, the machine's clock, random ids.
 * @module
 */
import { randomUUID } from 'node:crypto';
import type { Log } from '../hub/log/log-ports.ts';
import { channelsInDynamoDb } from './dynamodb/channels-table.ts';
import { documentClient } from './dynamodb/document-client.ts';
import { entriesInDynamoDb } from './dynamodb/entries-table.ts';
import { keysInDynamoDb } from './dynamodb/keys-table.ts';

export interface LogSettings {
  readonly CHANNELS_TABLE: string;
  readonly ENTRIES_TABLE: string;
  readonly KEYS_TABLE: string;
  readonly RETENTION_DAYS: string;
  readonly CHANNEL_CREATION: string;
}

const DAY_MS = 24 * 3_600_000;

/** @param client the connections to DynamoDB, for who has other stores to share them with */
export function logInAws(settings: LogSettings, client = documentClient()): Log {
  return {
    channels: channelsInDynamoDb(client, settings.CHANNELS_TABLE),
    entries: entriesInDynamoDb(client, settings.ENTRIES_TABLE),
    keys: keysInDynamoDb(client, settings.KEYS_TABLE),
    clock: Date.now,
    newId: randomUUID,
    channelCreation: settings.CHANNEL_CREATION === 'explicit' ? 'explicit' : 'implicit',
    retentionMs: Number(settings.RETENTION_DAYS) * DAY_MS,
  };
}

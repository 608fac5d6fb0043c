/**
 * The Subscribers table, as far as held reads write it: a row says that a process waits on a channel.
 * @module
 */
import { type DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import type { WaitStore } from '../../hub/log/log-ports.ts';
import { call } from '../aws-client.ts';
import { expiryOf } from './document-client.ts';
import { waitKey } from './subscribers-table.ts';

/** A row outlasts two holds; the process renews it while it still waits, and who reads it compares `until`. */
const SHOWN_FOR_MS = 60_000;

export function waitsInDynamoDb(client: DynamoDBDocumentClient, table: string): WaitStore {
  return {
    shownForMs: SHOWN_FOR_MS,
    async show(channel, connection, now) {
      const until = now + SHOWN_FOR_MS;
      const row = { pattern: waitKey(channel), connection, until, expiry: expiryOf(until) };
      const put = new PutCommand({ TableName: table, Item: row });
      await call(() => client.send(put));
    },
  };
}

/**
 * The Subscribers table, as far as held reads write it: a row says that a process waits on a channel. Key `pattern`
 * (`{channel}#0`) and `connection` (here: the process).
 * @module
 */
import { type DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import type { WaitStore } from '../hub/ports.ts';
import { call } from './client.ts';

/** A row outlasts two holds; the process renews it while it still waits, and who reads it compares `until`. */
const SHOWN_FOR_MS = 60_000;

export function waitsInDynamoDb(client: DynamoDBDocumentClient, table: string, process: string): WaitStore {
  return {
    shownForMs: SHOWN_FOR_MS,
    async show(channel, now) {
      const until = now + SHOWN_FOR_MS;
      const row = { pattern: `${channel}#0`, connection: process, kind: 'wait', until };
      const put = new PutCommand({ TableName: table, Item: { ...row, expiry: Math.ceil(until / 1_000) } });
      await call(() => client.send(put));
    },
  };
}

/**
 * Waits in the Subscribers table: a row says that a process holds requests of a channel.
 * @module
 */
import { DeleteCommand, type DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import type { WaitStore } from '../../hub/push/push-ports.ts';
import { call } from '../aws-client.ts';
import { expiryOf } from './document-client.ts';
import { numberOf, textOf } from './stored-attributes.ts';
import { rowsOf, waitKey } from './subscribers-table.ts';

/** In milliseconds: a row outlasts two holds. The process renews it while it waits, and a reader compares `until`. */
const SHOWN_FOR_MS = 60_000;

/** Returns the store of waits. */
export function waitsInDynamoDb(client: DynamoDBDocumentClient, table: string): WaitStore {
  return {
    shownForMs: SHOWN_FOR_MS,
    async show(channel, connection, now) {
      const until = now + SHOWN_FOR_MS;
      const row = { pattern: waitKey(channel), connection, until, expiry: expiryOf(until) };
      const put = new PutCommand({ TableName: table, Item: row });
      await call(() => client.send(put));
    },
    async waiting(channel, now) {
      const rows = await rowsOf(client, table, waitKey(channel));
      return rows.filter((row) => numberOf(row, 'until') > now).map((row) => textOf(row, 'connection'));
    },
    async remove(channel, connection) {
      const Key = { pattern: waitKey(channel), connection };
      await call(() => client.send(new DeleteCommand({ TableName: table, Key })));
    },
  };
}

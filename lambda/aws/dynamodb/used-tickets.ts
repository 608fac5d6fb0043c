/**
 * Tickets of a deployed hub. The Keys table remembers the used ones.
 * @module
 */
import { randomUUID } from 'node:crypto';
import { type DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import { type Tickets, ticketsOf } from '../../access/ticket.ts';
import type { AccessSettings } from '../compose-access.ts';
import { tokenKeysInSecretsManager } from '../token-keys.ts';
import { callIf, expiryOf, once } from './document-client.ts';

/** Returns the part that issues and redeems tickets. @param table the Keys table */
export function ticketsInAws(
  { TOKEN_SECRET_ARN, TOKEN_AUDIENCE }: AccessSettings,
  table: string,
  client: DynamoDBDocumentClient,
): Tickets {
  return ticketsOf({
    keys: tokenKeysInSecretsManager(TOKEN_SECRET_ARN, Date.now),
    audience: TOKEN_AUDIENCE,
    clock: Date.now,
    newId: randomUUID,
    async use(id, until) {
      const put = new PutCommand({
        TableName: table,
        // No Idempotency-Key is stored under such a key: those begin with a channel.
        Item: { key: `@ticket#${id}`, expiresAt: until, expiry: expiryOf(until) },
        ConditionExpression: 'attribute_not_exists(#key)',
        ExpressionAttributeNames: { '#key': 'key' },
      });
      // Sent once: a repetition would find the item of its first try, and refuse a valid ticket.
      return (await callIf(() => once((options) => client.send(put, options)))) !== undefined;
    },
  });
}

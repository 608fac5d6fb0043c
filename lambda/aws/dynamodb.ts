/**
 * The DynamoDB client of the stores, and how they read what is stored.
 * @module
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { call, clientSettings, nameOf } from './client.ts';

export function documentClient(): DynamoDBDocumentClient {
  const client = new DynamoDBClient(clientSettings);
  return DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
}

/** As `call`, with undefined for a condition that did not hold. */
export async function callIf<T>(send: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call(send);
  } catch (error) {
    if (nameOf(error) === 'ConditionalCheckFailedException') return undefined;
    throw error;
  }
}

/** Narrows one attribute of a stored item. A wrong type is a defect of the hub, not of the caller. */
export function numberOf(item: Readonly<Record<string, unknown>>, name: string): number {
  const value = item[name];
  if (typeof value !== 'number') throw new Error(`stored item has no number ${name}`);
  return value;
}

export function textOf(item: Readonly<Record<string, unknown>>, name: string): string {
  const value = item[name];
  if (typeof value !== 'string') throw new Error(`stored item has no text ${name}`);
  return value;
}

/**
 * The DynamoDB client of all adapters, and what its errors mean to a caller.
 * @module
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { Refusal } from '../../protocol/errors.ts';

/**
 * Milliseconds for one attempt, and attempts. Together they stay below the grace after which readers seal a gap
 * (GAP_GRACE_MS), so that a slow writer learns of its failure from its own client, not by losing its slot.
 */
const ATTEMPT_TIMEOUT_MS = 800;
const CONNECT_TIMEOUT_MS = 400;
const MAX_ATTEMPTS = 3;

export function documentClient(): DynamoDBDocumentClient {
  const client = new DynamoDBClient({
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: ATTEMPT_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      // One environment may serve many requests at once; the default of 50 sockets would queue them.
      httpsAgent: { maxSockets: 256 },
      httpAgent: { maxSockets: 256 },
    },
  });
  return DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
}

/**
 * What the store answers when it is the one who should be given time.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
 */
const BUSY = new Set([
  'InternalServerError',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'ServiceUnavailable',
  'ThrottlingException',
  'TimeoutError',
]);

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

/** Runs one call; a busy store becomes a refusal that says to retry, and everything else stays what it is. */
export async function call<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (BUSY.has(nameOf(error))) throw new Refusal('unavailable', 'the store is busy; retry');
    throw error;
  }
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

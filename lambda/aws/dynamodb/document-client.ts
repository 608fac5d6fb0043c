/**
 * The DynamoDB client of the tables, and how they call it.
 * @module
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchGetCommand, DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { Refusal } from '../../../protocol/errors.ts';
import { call, clientSettings, nameOf } from '../aws-client.ts';

export function documentClient(): DynamoDBDocumentClient {
  const client = new DynamoDBClient(clientSettings);
  return DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
}

/**
 * How long a write that must not be repeated waits for its answer, in milliseconds. A publish whose slot readers have
 * sealed meanwhile (GAP_GRACE_MS) takes another, so this may be longer than that. It is shorter than the timeout of any
 * function.
 */
const ONCE_MS = 5_000;

/**
 * Sends a write that is not idempotent. The SDK repeats a call after 800 ms without an answer, and then both may be
 * carried out. This one waits longer, and is not repeated after that. The SDK still repeats a call that DynamoDB refused, and
 * one whose connection broke: mostly that was closed while the process was frozen, and nothing was carried out.
 * @throws Refusal unavailable if no answer came: then it is unknown whether the write was carried out, or will be
 */
export async function once<T>(
  send: (options: { readonly abortSignal: AbortSignal; readonly requestTimeout: number }) => Promise<T>,
): Promise<T> {
  try {
    return await send({ abortSignal: AbortSignal.timeout(ONCE_MS), requestTimeout: 2 * ONCE_MS });
  } catch (error) {
    if (nameOf(error) === 'AbortError') throw new Refusal('unavailable', 'the store did not answer; retry');
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

/** Attempts at what a batch left out because the table was busy; the SDK itself waits between attempts at a call. */
const BATCH_ATTEMPTS = 3;

/** The items of those keys that are there, as of every write answered before. At most a hundred. */
export async function batchGet(
  client: DynamoDBDocumentClient,
  table: string,
  keys: readonly Readonly<Record<string, unknown>>[],
): Promise<Readonly<Record<string, unknown>>[]> {
  const items: Record<string, unknown>[] = [];
  let left: Record<string, unknown>[] = [...keys];
  for (let attempt = 0; attempt < BATCH_ATTEMPTS; attempt++) {
    const get = new BatchGetCommand({ RequestItems: { [table]: { Keys: left, ConsistentRead: true } } });
    const { Responses = {}, UnprocessedKeys = {} } = await call(() => client.send(get));
    items.push(...(Responses[table] ?? []));
    left = UnprocessedKeys[table]?.Keys ?? [];
    if (left.length === 0) return items;
  }
  throw new Refusal('unavailable', 'the table is busy; retry');
}

/**
 * The attribute by which DynamoDB removes a row some time after that moment, in whole seconds.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
 *
 * @param until milliseconds since 1970
 */
export const expiryOf = (until: number): number => Math.ceil(until / 1_000);

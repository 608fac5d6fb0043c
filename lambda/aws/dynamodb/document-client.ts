/**
 * The DynamoDB client of the tables, and how they call it.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { call, nameOf } from '../aws-client.ts';
import type { Item } from '../calls/attribute-values.ts';
import { type BatchGetInput, type DocumentClient, documentCalls } from '../calls/document-calls.ts';
import type { CallOptions } from '../calls/signed-calls.ts';

/** Returns a client for DynamoDB. The stores of one process share it. */
export const documentClient = (): DocumentClient => documentCalls();

/**
 * How long a write that must not be repeated waits for its answer, in milliseconds. This may be longer than GAP_GRACE_MS: a
 * publish takes another slot if readers have sealed its slot meanwhile. It is shorter than the timeout of every function.
 */
const ONCE_MS = 5_000;

/**
 * Sends a write that is not idempotent. The client repeats a call after 800 ms without an answer, and then DynamoDB may carry out
 * both. This write waits longer, and is not repeated after that. The client still repeats a call that DynamoDB refused, and a call
 * whose connection broke. Mostly such a connection was closed while the process was frozen, and nothing was carried out.
 * @throws Refusal unavailable if no answer came: the write may have been carried out, or may be later
 */
export async function once<T>(send: (options: CallOptions) => Promise<T>): Promise<T> {
  try {
    return await send({ withinMs: ONCE_MS });
  } catch (error) {
    if (nameOf(error) === 'AbortError') throw new Refusal('unavailable', 'the store did not answer; retry');
    throw error;
  }
}

/** Runs one call of DynamoDB, as `call`. Returns undefined if its condition did not hold. */
export async function callIf<T>(send: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call(send);
  } catch (error) {
    if (nameOf(error) === 'ConditionalCheckFailedException') return undefined;
    throw error;
  }
}

/** Attempts to get the items that a busy table left out of a batch. Between attempts at a call the client waits. */
const BATCH_ATTEMPTS = 3;

/**
 * Returns the items of the keys, without those that do not exist. The read is consistent.
 * @param keys at most 100
 * @throws Refusal unavailable if the table stays busy
 */
export async function batchGet(
  client: DocumentClient,
  table: string,
  keys: readonly Item[],
): Promise<Item[]> {
  return (await batchGetOf(client, { [table]: keys }))(table);
}

/**
 * Gets items of several tables in one call, as `batchGet`. Returns a function from the name of a table to its items.
 * @param keys by table, at most 100 in all
 */
export async function batchGetOf(
  client: DocumentClient,
  keys: Readonly<Record<string, readonly Item[]>>,
): Promise<(table: string) => Item[]> {
  const items: Record<string, Item[]> = {};
  const wanted = Object.entries(keys).filter(([, some]) => some.length > 0);
  let left: BatchGetInput['RequestItems'] = Object.fromEntries(
    wanted.map(([table, some]) => [table, { Keys: some, ConsistentRead: true }]),
  );
  for (let attempt = 0; attempt < BATCH_ATTEMPTS; attempt++) {
    const get: BatchGetInput = { RequestItems: left };
    const { Responses, UnprocessedKeys } = await call(() => client.batchGet(get));
    for (const [table, some] of Object.entries(Responses)) items[table] = [...(items[table] ?? []), ...some];
    left = UnprocessedKeys;
    if (Object.keys(left).length === 0) return (table) => items[table] ?? [];
  }
  throw new Refusal('unavailable', 'the table is busy; retry');
}

/**
 * Returns the value of the attribute `expiry`, in whole seconds since 1970. DynamoDB removes an item some time after it.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
 *
 * @param until milliseconds since 1970
 */
export const expiryOf = (until: number): number => Math.ceil(until / 1_000);

/**
 * Decides which messages of a batch the function has processed.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 * @module
 */

import { isObject, parseJson } from '../template/json.ts';
import type { InvocationOutcome } from './response.ts';
import type { ReceivedMessage } from './sqs-event.ts';

/** The result of a batch. */
export interface BatchResult {
  /** The messages to delete. The others are delivered again when their visibility timeout ends. */
  readonly done: readonly ReceivedMessage[];
  /** The reason why the whole batch failed; undefined if the function has reported the failures itself. */
  readonly complaint: string | undefined;
}

/**
 * Returns the result of a batch.
 * @param reportsFailures false if every answer is a success
 */
export function batchResultOf(
  outcome: InvocationOutcome,
  batch: readonly ReceivedMessage[],
  reportsFailures: boolean,
): BatchResult {
  if (outcome.kind === 'throttled') return { done: [], complaint: 'throttled' };
  if (outcome.kind === 'failure') return { done: [], complaint: `${outcome.type}: ${outcome.message}` };
  if (outcome.kind === 'stream') return { done: [], complaint: 'a stream was not read to its end' };
  if (!reportsFailures) return { done: batch, complaint: undefined };
  const failed = failedIds(outcome.payload.toString('utf8'), new Set(batch.map(({ id }) => id)));
  if (typeof failed === 'string') return { done: [], complaint: failed };
  // No complaint: a report is the normal way to get a message again, and the function logs its own failures.
  return { done: batch.filter(({ id }) => !failed.has(id)), complaint: undefined };
}

/** Returns the ids in `batchItemFailures`, or the mistake in the answer, for which the whole batch fails. */
function failedIds(answer: string, known: ReadonlySet<string>): ReadonlySet<string> | string {
  if (answer.trim() === '') return new Set();
  const response = parseJson(answer);
  if (response === null) return new Set();
  if (!isObject(response)) return `the answer is not a JSON object: ${answer.slice(0, 100)}`;
  const failures = response.batchItemFailures;
  if (failures === undefined || failures === null) return new Set();
  if (!Array.isArray(failures)) return 'batchItemFailures is not a list';
  const ids = new Set<string>();
  for (const failure of failures) {
    const id: unknown = isObject(failure) ? failure.itemIdentifier : undefined;
    if (typeof id !== 'string' || !known.has(id)) {
      return `batchItemFailures holds ${JSON.stringify(failure)}, which names no message of the batch`;
    }
    ids.add(id);
  }
  return ids;
}

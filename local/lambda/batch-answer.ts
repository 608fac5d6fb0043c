/**
 * Which messages of a batch are done with, by what became of its invocation.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 * @module
 */

import { isObject, parseJson } from '../template/json.ts';
import type { Outcome } from './response.ts';
import type { ReceivedMessage } from './sqs-event.ts';

export interface BatchResult {
  /** To be deleted from the queue; the others come back when their visibility timeout ends. */
  readonly done: readonly ReceivedMessage[];
  /** Why none is done, where the function itself did not say so. */
  readonly complaint: string | undefined;
}

/** Judges a batch as Lambda does; without `reportsFailures` any answer is a success. */
export function batchResultOf(
  outcome: Outcome,
  batch: readonly ReceivedMessage[],
  reportsFailures: boolean,
): BatchResult {
  if (outcome.kind === 'throttled') return { done: [], complaint: 'throttled' };
  if (outcome.kind === 'failure') return { done: [], complaint: `${outcome.type}: ${outcome.message}` };
  if (outcome.kind === 'stream') return { done: [], complaint: 'a stream was not read to its end' };
  if (!reportsFailures) return { done: batch, complaint: undefined };
  const failed = failedIds(outcome.payload.toString('utf8'), new Set(batch.map(({ id }) => id)));
  if (typeof failed === 'string') return { done: [], complaint: failed };
  // Nothing to complain of: to keep a message for later is what reports are for, and a function logs its own failures.
  return { done: batch.filter(({ id }) => !failed.has(id)), complaint: undefined };
}

/** The ids in `batchItemFailures`, or what is wrong with the answer: then the whole batch has failed. */
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

/**
 * How the AWS clients of all adapters behave, and what a busy service means to a caller.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';

/**
 * Milliseconds for one attempt, and attempts. Together, without what the SDK
 * waits between them, they stay below the grace after which readers seal a gap (GAP_GRACE_MS), so that a slow writer
 * mostly learns of its failure from its own client, not by losing its slot.
 */
const ATTEMPT_TIMEOUT_MS = 800;
const CONNECT_TIMEOUT_MS = 400;
const MAX_ATTEMPTS = 3;

export const clientSettings = {
  maxAttempts: MAX_ATTEMPTS,
  requestHandler: {
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: ATTEMPT_TIMEOUT_MS,
    throwOnRequestTimeout: true,
    // One environment may serve many requests at once; the default of 50 sockets would queue them.
    httpsAgent: { maxSockets: 256 },
    httpAgent: { maxSockets: 256 },
  },
};

/**
 * What a service answers when it is the one who should be given time.
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

export const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

/** Runs one call; a busy store becomes a refusal that says to retry, and everything else stays what it is. */
export async function call<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (BUSY.has(nameOf(error))) throw new Refusal('unavailable', 'the store is busy; retry');
    throw error;
  }
}

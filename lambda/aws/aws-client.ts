/**
 * How the AWS clients of all adapters behave, and what a busy service means to a caller.
 * @module
 */
import { isServerError, isThrottlingError, isTransientError } from '@smithy/core/retry';
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
 * More transient errors. The SDK does not retry them: it knows only its own list of names, and the statuses 429 and 5xx.
 * - SQS: a limit is reached, such as that of messages in flight.
 *   https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
 * - SNS and SQS, where a team encrypts with a key of its own: that key's quota is reached.
 *   https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
 */
const ALSO_BUSY = new Set(['OverLimit', 'KMSThrottlingException', 'KmsThrottled']);

export const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

/**
 * True for a transient error: the service throttles or fails, or the network does. A missing permission, a bad
 * parameter and missing or expired credentials are defects of the hub: a retry of the caller would not help.
 */
const isBusy = (error: unknown): boolean =>
  isOfSdk(error) &&
  (isThrottlingError(error) || isTransientError(error) || isServerError(error) || ALSO_BUSY.has(error.name));

type SdkError = Parameters<typeof isTransientError>[0];

/** The SDK's functions also read `cause`, and throw if it is not an Error. */
const isOfSdk = (error: unknown): error is SdkError =>
  error instanceof Error && (error.cause === undefined || error.cause instanceof Error);

/**
 * Runs one call of AWS.
 * @throws Refusal unavailable, with the message, for a transient error; all other errors unchanged
 */
export async function call<T>(send: () => Promise<T>, message = 'the store is busy; retry'): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (isBusy(error)) throw new Refusal('unavailable', message);
    throw error;
  }
}

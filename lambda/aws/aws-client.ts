/**
 * The settings of all AWS clients, and the refusal that a busy service becomes.
 * @module
 */
import { isServerError, isThrottlingError, isTransientError } from '@smithy/core/retry';
import { Refusal } from '../../protocol/errors.ts';

/**
 * Milliseconds of one attempt, and the number of attempts. All attempts together, without the pauses between them, take less
 * than the grace after which readers seal a gap (GAP_GRACE_MS). So a slow writer mostly gets an error from its own client, and
 * does not lose its slot.
 */
const ATTEMPT_TIMEOUT_MS = 800;
const CONNECT_TIMEOUT_MS = 400;
const MAX_ATTEMPTS = 3;

/** The settings of every AWS client. */
export const clientSettings = {
  maxAttempts: MAX_ATTEMPTS,
  requestHandler: {
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: ATTEMPT_TIMEOUT_MS,
    throwOnRequestTimeout: true,
    // One process may serve many requests at once. The default of 50 sockets would queue them.
    httpsAgent: { maxSockets: 256 },
    httpAgent: { maxSockets: 256 },
  },
};

/**
 * Transient errors that the SDK does not retry: it knows only its own list of names, and the statuses 429 and 5xx.
 * - SQS: a limit is reached, such as that of messages in flight.
 *   https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
 * - SNS and SQS, where a team encrypts with a key of its own: that key's quota is reached.
 *   https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
 */
const ALSO_BUSY = new Set(['OverLimit', 'KMSThrottlingException', 'KmsThrottled']);

/** Returns the name of an error, by which AWS tells its errors apart; empty for another value. */
export const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

/**
 * Returns true for a transient error: the service throttles or fails, or the network fails. A missing permission, a bad
 * parameter and missing or expired credentials are defects of the hub: a retry would not help.
 */
const isTransient = (error: unknown): boolean =>
  isOfSdk(error) &&
  (isThrottlingError(error) || isTransientError(error) || isServerError(error) || ALSO_BUSY.has(error.name));

type SdkError = Parameters<typeof isTransientError>[0];

/** The functions of the SDK also read `cause`, and throw if it is not an Error. */
const isOfSdk = (error: unknown): error is SdkError =>
  error instanceof Error && (error.cause === undefined || error.cause instanceof Error);

/**
 * Runs one call of AWS.
 * @throws Refusal unavailable with the message for a transient error; every other error unchanged
 */
export async function call<T>(send: () => Promise<T>, message = 'the store is busy; retry'): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (isTransient(error)) throw new Refusal('unavailable', message);
    throw error;
  }
}

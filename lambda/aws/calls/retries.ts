/**
 * Which errors are repeated, when and how often: the rules of the SDK in its standard mode, with a budget for each service.
 * test/unit/aws/calls compares them with the SDK.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
 * @module
 */

/** What an error of AWS or of the network has, beside its name. */
export interface CallError extends Error {
  /** The HTTP status; undefined if there was no answer. */
  readonly status?: number;
  /** The code of an error of Node or undici. */
  readonly code?: string;
  /** How long the service asks to wait, in milliseconds. */
  readonly retryAfterMs?: number;
  /** True if the signature was refused because of the clock, which was corrected since. */
  readonly isClockCorrected?: boolean;
}

/** Names of errors by which services throttle. */
const THROTTLED = new Set([
  'BandwidthLimitExceeded',
  'EC2ThrottledException',
  'LimitExceededException',
  'PriorRequestNotComplete',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'SlowDown',
  'Throttled',
  'ThrottledException',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
  'TransactionInProgressException',
]);

/** Names, statuses and codes of errors that pass. */
const TRANSIENT = new Set([
  'TimeoutError',
  'RequestTimeout',
  'RequestTimeoutException',
  'ReplicatedWriteConflictException',
]);
const TRANSIENT_STATUSES = new Set([500, 502, 503, 504]);
const TRANSIENT_CODES = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  // undici: the connection was lost, before the answer or within it.
  'UND_ERR_SOCKET',
  'UND_ERR_BODY_TIMEOUT',
]);

/**
 * Errors of services that the SDK does not repeat, but which also pass.
 * - SQS: a limit is reached, such as that of messages in flight.
 *   https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
 * - SNS and SQS, where a team encrypts with a key of its own: that key's quota is reached.
 *   https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
 *   https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
 */
const ALSO_BUSY = new Set(['OverLimit', 'KMSThrottling', 'KmsThrottled']);

/** The most causes that are looked at, because an error may be its own cause. */
const MAX_CAUSES = 10;

const isThrottled = ({ name, status }: CallError): boolean => status === 429 || THROTTLED.has(name);

function isTransient(error: CallError, depth = 0): boolean {
  const { name, status = 0, code = '', cause, message } = error;
  if (name === 'AbortError') return false;
  return (
    TRANSIENT.has(name) ||
    TRANSIENT_STATUSES.has(status) ||
    TRANSIENT_CODES.has(code) ||
    error.isClockCorrected === true ||
    (name === 'InvalidSignatureException' && message.includes('Signature expired')) ||
    (cause instanceof Error && depth < MAX_CAUSES && isTransient(cause, depth + 1))
  );
}

/**
 * Returns true for an error that passes: the service throttles or fails, or the network fails. A missing permission, a bad
 * parameter and missing or expired credentials are defects of the hub: a retry would not help.
 */
export const isPassing = (error: unknown): boolean =>
  error instanceof Error &&
  (isThrottled(error) || isTransient(error) || isServerError(error) || ALSO_BUSY.has(error.name));

const isServerError = ({ status = 0 }: CallError): boolean => status >= 500 && status <= 599;

/** The budget: it is full at the start, each retry takes a part, and each success gives some back. */
const BUDGET = 500;
const RETRY_COST = 14;
const THROTTLED_COST = 5;
const REFUND = 1;

/** The first pause between attempts, in milliseconds. It is doubled for each attempt, and multiplied by a random number. */
const BASE_MS = 50;
const THROTTLED_BASE_MS = 1_000;
const MAX_PAUSE_MS = 20_000;

/** How much longer than the usual pause a service may ask to wait, in milliseconds. */
const MAX_EXTRA_MS = 5_000;

/** Decides about the retries of all calls of one service. */
export interface Retries {
  /**
   * Returns the pause before the next attempt, in milliseconds, and takes its cost from the budget. Returns undefined if the
   * call must not be repeated. @param attempt number of the attempt that failed, from 0
   */
  readonly pauseAfter: (
    error: unknown,
    attempt: number,
  ) => { readonly ms: number; readonly cost: number } | undefined;
  /** Gives back the cost of the last retry of a call that succeeded, or a little for a call without one. */
  readonly succeeded: (cost?: number) => void;
}

/** Returns the retries of one service. @param random at least 0, below 1 */
export function retriesOf(baseMs = BASE_MS, random: () => number = Math.random): Retries {
  let budget = BUDGET;
  return {
    pauseAfter(error, attempt) {
      if (!(error instanceof Error)) return undefined;
      const { retryAfterMs }: CallError = error;
      const throttled = isThrottled(error);
      if (!throttled && !isTransient(error)) return undefined;
      const cost = throttled ? THROTTLED_COST : RETRY_COST;
      if (budget < cost) return undefined;
      budget -= cost;
      const most = Math.min((throttled ? THROTTLED_BASE_MS : baseMs) * 2 ** attempt, MAX_PAUSE_MS);
      const usual = Math.floor(random() * most);
      const ms = Math.max(usual, Math.min(retryAfterMs ?? 0, usual + MAX_EXTRA_MS));
      return { ms, cost };
    },
    succeeded(cost = REFUND) {
      budget = Math.min(BUDGET, budget + cost);
    },
  };
}

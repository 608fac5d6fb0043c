/**
 * The same errors are repeated as in the SDK, after the same pauses, from the same budget.
 * @module
 */
import {
  isServerError,
  isThrottlingError,
  isTransientError,
  StandardRetryStrategy,
} from '@smithy/core/retry';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isPassing, retriesOf } from '../../../../lambda/aws/calls/retries.ts';

interface Failure {
  readonly name: string;
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly message: string;
}

const ours = ({ message, ...rest }: Failure): Error => Object.assign(new Error(message), rest);
function theirs({ message, name, status, code }: Failure): SdkError {
  const metadata = status === undefined ? {} : { httpStatusCode: status };
  return ofSdk(Object.assign(new Error(message), { name, $metadata: metadata, ...(code && { code }) }));
}
/** The functions of the SDK want an error without a cause, or with an error as cause. */
function ofSdk(error: Error): SdkError {
  if (!isOfSdk(error)) throw new Error('no error of the SDK');
  return error;
}
const isOfSdk = (error: Error): error is SdkError =>
  error.cause === undefined || error.cause instanceof Error;
type SdkError = Parameters<typeof isTransientError>[0];

const NAMES = [
  'BandwidthLimitExceeded',
  'EC2ThrottledException',
  'LimitExceededException',
  'PriorRequestNotComplete',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'SlowDown',
  'ThrottledException',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
  'TransactionInProgressException',
  'TimeoutError',
  'RequestTimeout',
  'RequestTimeoutException',
  'InvalidSignatureException',
  'AccessDeniedException',
  'ConditionalCheckFailedException',
  'ExpiredTokenException',
  'RequestTimeTooSkewed',
  'ResourceNotFoundException',
  'ValidationException',
  'AbortError',
  'InternalServerError',
  'Unknown',
  'Error',
];
const CODES = [
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EMFILE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
];
const failure = fc.record({
  name: fc.constantFrom(...NAMES),
  status: fc.option(fc.constantFrom(400, 403, 404, 408, 413, 429, 500, 501, 502, 503, 504, 505), {
    nil: undefined,
  }),
  code: fc.option(fc.constantFrom(...CODES), { nil: undefined }),
  message: fc.constantFrom('m', 'Signature expired: 20260101T000000Z is now earlier than 20260102T000000Z'),
});

const kindOf = (error: SdkError) => {
  if (isThrottlingError(error)) return 'THROTTLING';
  if (isTransientError(error)) return 'TRANSIENT';
  return isServerError(error) ? 'SERVER_ERROR' : 'CLIENT_ERROR';
};

test('random errors are repeated if the SDK repeats them, and are busy then', () => {
  fc.assert(
    fc.property(failure, (one) => {
      const kind = kindOf(theirs(one));
      const isRepeated = retriesOf(50, () => 0).pauseAfter(ours(one), 0) !== undefined;
      expect(isRepeated).toBe(kind === 'THROTTLING' || kind === 'TRANSIENT');
      if (kind !== 'CLIENT_ERROR') expect(isPassing(ours(one))).toBe(true);
      if (kind === 'CLIENT_ERROR') expect(isPassing(ours(one))).toBe(false);
    }),
    { numRuns: 2_000 },
  );
});

describe('an error of the system is looked for in its causes', () => {
  const system = Object.assign(new Error('of the system'), { code: 'ECONNRESET' });

  test('as far as the SDK looks', () => {
    const around = new Error('of a library', { cause: system });
    expect(isTransientError(ofSdk(around))).toBe(true);
    expect(isPassing(around)).toBe(true);
  });

  test('and an error that is its own cause is no endless search', () => {
    const own = new Error('odd');
    own.cause = own;
    expect(isPassing(own)).toBe(false);
  });
});

test.each([
  // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
  'OverLimit',
  'KmsThrottled',
  // https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
  'KMSThrottling',
  'Throttled',
])('%s of a queue or topic is busy', (name) => {
  expect(isPassing(Object.assign(new Error('m'), { name, status: 400 }))).toBe(true);
});

describe('pauses and budget', () => {
  let part = 0;
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(Math, 'random').mockImplementation(() => part);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  const CASES = {
    THROTTLING: 'ThrottlingException',
    TRANSIENT: 'TimeoutError',
    CLIENT_ERROR: 'ValidationException',
  };
  const kind = fc.constantFrom('THROTTLING' as const, 'TRANSIENT' as const, 'CLIENT_ERROR' as const);
  /** A call: the errors of its attempts, and whether the last attempt succeeds. */
  const callOf = fc.record({
    errors: fc.array(kind, { maxLength: 4 }),
    random: fc.double({ min: 0, max: 0.999, noNaN: true }),
    askedMs: fc.option(fc.integer({ min: 0, max: 20_000 }), { nil: undefined }),
  });

  test('random calls take the same pauses, until the budget is empty', async () => {
    const run = fc.record({ baseMs: fc.constantFrom(25, 50), calls: fc.array(callOf, { maxLength: 120 }) });
    await fc.assert(
      fc.asyncProperty(run, async ({ baseMs, calls }) => {
        const sdk = new StandardRetryStrategy({ maxAttempts: 99, baseDelay: baseMs });
        const hub = retriesOf(baseMs, () => part);
        for (const { errors, random, askedMs } of calls) {
          part = random;
          let token = await sdk.acquireInitialRetryToken('');
          let cost: number | undefined;
          let isOver = false;
          for (const [attempt, errorType] of errors.entries()) {
            const hint = askedMs === undefined ? {} : { retryAfterHint: new Date(Date.now() + askedMs) };
            const waited = Date.now();
            const refreshing = sdk
              .refreshRetryTokenForRetry(token, { errorType, ...hint })
              .catch(() => undefined);
            await vi.runAllTimersAsync();
            const refreshed = await refreshing;
            const retryAfterMs = askedMs === undefined ? {} : { retryAfterMs: askedMs };
            const failed = Object.assign(new Error('m'), { name: CASES[errorType], ...retryAfterMs });
            const pause = hub.pauseAfter(failed, attempt);
            expect(pause?.ms).toBe(refreshed === undefined ? undefined : Date.now() - waited);
            if (!pause || !refreshed) {
              isOver = true;
              break;
            }
            cost = pause.cost;
            token = refreshed;
          }
          if (isOver) continue;
          sdk.recordSuccess(token);
          hub.succeeded(cost);
        }
      }),
      { numRuns: 60 },
    );
  });
});

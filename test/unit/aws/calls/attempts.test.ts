/**
 * How often a call is attempted, compared with the SDK on the same server; and how long.
 * @module
 */
import type { ServerResponse } from 'node:http';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { documentCalls } from '../../../../lambda/aws/calls/document-calls.ts';
import { topicCalls } from '../../../../lambda/aws/calls/topic-calls.ts';
import { CREDENTIALS, loopback, REGION } from '../../../support/network/aws-loopback.ts';

const { requests, answer, url } = loopback();
beforeEach(() => {
  requests.length = 0;
  // The pauses between attempts are a random part of some time.
  vi.spyOn(Math, 'random').mockReturnValue(0);
});
afterEach(() => void vi.restoreAllMocks());

const KEY = { TableName: 't', Key: { channel: 'c' } };
const ours = () => documentCalls().get(KEY);
function theirs() {
  const client = new DynamoDBClient({
    endpoint: url(),
    region: REGION,
    credentials: CREDENTIALS,
    maxAttempts: 3,
  });
  return DynamoDBDocumentClient.from(client).send(new GetCommand(KEY));
}

type Answer = (response: ServerResponse) => void;
const error =
  (status: number, type: string, headers: Readonly<Record<string, string>> = {}): Answer =>
  (response) =>
    response
      .writeHead(status, headers)
      .end(JSON.stringify({ __type: `com.amazonaws#${type}`, message: 'm' }));
const ok: Answer = (response) => response.end('{}');
const broken: Answer = (response) => response.socket?.destroy();

/** Answers one after the other, and the last answer from then on. */
function answerWith(answers: readonly Answer[]): void {
  let at = 0;
  answer((response) => answers[Math.min(at++, answers.length - 1)]?.(response));
}

/** Returns the number of attempts, and the result. */
async function attemptsOf(call: () => Promise<unknown>, answers: readonly Answer[]) {
  requests.length = 0;
  answerWith(answers);
  const result = await call().then(
    () => 'done',
    (failure: unknown) => (failure instanceof Error ? failure.name : 'odd'),
  );
  return [requests.length, result];
}

const busy = error(500, 'InternalServerError');
const throttled = error(400, 'ProvisionedThroughputExceededException');

describe('as many attempts as the SDK makes, with the same result', () => {
  test.each<[string, readonly Answer[], readonly unknown[]]>([
    ['a success', [ok], [1, 'done']],
    ['one failure', [busy, ok], [2, 'done']],
    ['a throttle and a failure', [throttled, busy, ok], [3, 'done']],
    ['a service that stays busy', [busy], [3, 'InternalServerError']],
    ['a table that stays throttled', [throttled], [3, 'ProvisionedThroughputExceededException']],
    [
      'a condition that does not hold',
      [error(400, 'ConditionalCheckFailedException')],
      [1, 'ConditionalCheckFailedException'],
    ],
    ['no permission', [error(400, 'AccessDeniedException')], [1, 'AccessDeniedException']],
    ['a server error that is no transient one', [error(501, 'NotImplemented')], [1, 'NotImplemented']],
    ['a connection that breaks', [broken, ok], [2, 'done']],
    ['a page instead of JSON', [(response) => response.writeHead(503).end('<html>'), ok], [2, 'done']],
  ])('%s', async (_what, answers, expected) => {
    expect(await attemptsOf(ours, answers)).toEqual(expected);
    expect(await attemptsOf(theirs, answers)).toEqual(expected);
  });
});

test('a clock that is wrong is corrected, and the call repeated', async () => {
  const hour = 3_600_000;
  const date = new Date(Date.now() + 2 * hour).toUTCString();
  const skewed = error(400, 'InvalidSignatureException', { date });
  expect(await attemptsOf(theirs, [skewed, ok])).toEqual([2, 'done']);
  expect(await attemptsOf(ours, [skewed, ok])).toEqual([2, 'done']);
  const [first, second] = requests.map(({ headers }) => String(headers['x-amz-date']));
  const hoursOf = (stamp = '') =>
    Date.parse(stamp.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5')) / hour;
  expect(hoursOf(second) - hoursOf(first)).toBeGreaterThan(1.9);
  // The clock is right again.
  const right = error(400, 'ValidationException', { date: new Date().toUTCString() });
  expect(await attemptsOf(ours, [right, ok])).toEqual([2, 'done']);
  expect(await attemptsOf(ours, [right, ok])).toEqual([1, 'ValidationException']);
});

test('a topic that is called once is not called again', async () => {
  const hint = {
    TopicArn: 'arn:aws:sns:eu-west-3:1:t',
    Message: 'm',
    MessageAttributes: {},
    MessageGroupId: 'g',
  };
  const [attempts] = await attemptsOf(() => topicCalls(1).publish(hint), [broken]);
  expect(attempts).toBe(1);
});

describe('a call with a time of its own', () => {
  const within = (withinMs: number) => () => documentCalls().get(KEY, { withinMs });

  test('ends with it, although the service answers nothing', async () => {
    expect(await attemptsOf(within(1), [() => {}])).toEqual([expect.any(Number), 'AbortError']);
    expect(requests.length).toBeLessThanOrEqual(1);
  });

  test('is repeated within it, but not if the pause would be longer', async () => {
    expect(await attemptsOf(within(60_000), [busy, ok])).toEqual([2, 'done']);
    const asks = error(400, 'ThrottlingException', { 'x-amz-retry-after': '70000' });
    vi.spyOn(Math, 'random').mockReturnValue(0.99);
    expect(await attemptsOf(within(3_000), [asks])).toEqual([1, 'AbortError']);
  });

  test('is not repeated because of an attempt that takes longer than usual', async () => {
    const late: Answer = (response) => void setTimeout(() => response.end('{}'), 1_000);
    expect(await attemptsOf(within(60_000), [late])).toEqual([1, 'done']);
  });
});

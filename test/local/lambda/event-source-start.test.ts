import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchResultOf } from '../../../local/lambda/batch-answer.ts';
import type { InvocationOutcome } from '../../../local/lambda/response.ts';
import { splitBySize, writeEvent } from '../../../local/lambda/sqs-event.ts';
import { startLocalStack } from '../../../local/stack.ts';
import { asList, isObject, type JsonObject } from '../../../local/template/json.ts';
import { at, resourceOf, synthesizeFixture, tamper } from '../support.ts';

describe('a mapping is refused', () => {
  let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
  beforeAll(async () => {
    fixture = await synthesizeFixture({}, 'queues');
  });
  afterAll(() => fixture.remove());

  async function start(change: (template: JsonObject) => void): Promise<void> {
    const copy = tamper(fixture.assembly, 'Post', change);
    try {
      await (await startLocalStack({ assembly: copy.assembly })).close();
    } finally {
      copy.remove();
    }
  }
  const mapping = (template: JsonObject, id = 'OfWork') =>
    resourceOf(template, 'AWS::Lambda::EventSourceMapping', id).properties;

  it.each(['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'])(
    'without the grant for %s',
    async (action) => {
      const started = start((template) => {
        const { properties } = resourceOf(template, 'AWS::IAM::Policy', 'OfWork');
        for (const statement of asList(at(properties, 'PolicyDocument').Statement).filter(isObject)) {
          statement.Action = asList(statement.Action).filter((each) => each !== action);
        }
      });
      await expect(started).rejects.toThrow(
        new RegExp(
          `cannot be created: the role of Post/OfWork does not allow ${action} on arn:aws:sqs:.*: AWS refuses it$`,
        ),
      );
    },
  );

  it('if messages become visible before the function ends', async () => {
    const started = start((template) => {
      resourceOf(template, 'AWS::SQS::Queue', 'Work').properties.VisibilityTimeout = 1;
    });
    await expect(started).rejects.toThrow(
      'the visibility timeout of Post/Work is 1 s, which is less than the 4 s that Post/OfWork may run: AWS refuses it',
    );
  });

  it.each<[string, JsonObject, string, string?]>([
    ['a large batch without a window', { BatchSize: 11 }, 'AWS refuses more than 10 without one'],
    ['no batch', { BatchSize: 0 }, 'must be a whole number from 1 to 10000, got 0'],
    ['a long window', { MaximumBatchingWindowInSeconds: 301 }, 'a whole number from 0 to 300, got 301'],
    [
      'a window on a FIFO queue',
      { MaximumBatchingWindowInSeconds: 1 },
      'AWS refuses for a FIFO queue',
      'OfLine',
    ],
    ['one at a time', { ScalingConfig: { MaximumConcurrency: 1 } }, 'a whole number from 2 to 1000, got 1'],
    ['filters', { FilterCriteria: { Filters: [] } }, 'has the property FilterCriteria, which the local'],
    [
      'own pollers',
      { ProvisionedPollerConfig: { MinimumPollers: 2 } },
      'has the property ProvisionedPollerConfig',
    ],
    ['another answer', { FunctionResponseTypes: ['Other'] }, 'the unknown response type Other'],
    [
      'another source',
      { EventSourceArn: 'arn:aws:kinesis:x' },
      'takes from arn:aws:kinesis:x, which is no queue',
    ],
    ['another function', { FunctionName: 'Nobody' }, 'invokes Nobody, which no template has'],
  ])('with %s', async (_, properties, sentence, id) => {
    await expect(start((template) => void Object.assign(mapping(template, id), properties))).rejects.toThrow(
      sentence,
    );
  });

  it('not if it is valid, with any metrics and tags', async () => {
    await start((template) => {
      Object.assign(mapping(template), { MetricsConfig: { Metrics: ['EventCount'] }, Tags: [] });
    });
  });

  it('and so is a subscription of a queue with a delay', async () => {
    const started = start((template) => {
      resourceOf(template, 'AWS::SQS::Queue', 'Work').properties.DelaySeconds = 1;
    });
    await expect(started).rejects.toThrow('has a delay, which the local stack does not apply to messages');
  });
});

const batch = ['a', 'b', 'c'].map((id) => ({ id, receiptHandle: id, record: '{}' }));
const answer = (text: string): InvocationOutcome => ({ kind: 'answer', payload: Buffer.from(text) });
const done = (outcome: InvocationOutcome, reportsFailures = true) =>
  batchResultOf(outcome, batch, reportsFailures)
    .done.map(({ id }) => id)
    .join('');

describe('a batch', () => {
  it.each([
    ['null', 'abc'],
    ['{}', 'abc'],
    ['', 'abc'],
    ['{"batchItemFailures":[]}', 'abc'],
    ['{"batchItemFailures":null}', 'abc'],
    ['{"batchItemFailures":[{"itemIdentifier":"b"}]}', 'ac'],
    ['{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"b"}]}', 'ac'],
    ['{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"x"}]}', ''],
    ['{"batchItemFailures":[{"itemIdentifier":""}]}', ''],
    ['{"batchItemFailures":[{"itemIdentifier":null}]}', ''],
    ['{"batchItemFailures":[{"messageId":"b"}]}', ''],
    ['{"batchItemFailures":["b"]}', ''],
    ['{"batchItemFailures":"b"}', ''],
    ['"fine"', ''],
    ['{"batchItem', ''],
  ])('with the answer %s has processed %j', (text, ids) => {
    expect(done(answer(text))).toBe(ids);
  });

  it('has processed all if it does not report failures, and nothing without an answer', () => {
    expect(done(answer('{"batchItemFailures":[{"itemIdentifier":"b"}]}'), false)).toBe('abc');
    for (const reports of [true, false]) {
      expect(done({ kind: 'failure', type: 'Error', message: 'x' }, reports)).toBe('');
      expect(done({ kind: 'throttled' }, reports)).toBe('');
    }
  });

  it('is divided if it does not fit into a payload', () => {
    const messages = [40, 40, 5, 90, 200].map((size, index) => {
      return { id: String(index), receiptHandle: '', record: JSON.stringify('x'.repeat(size)) };
    });
    const parts = splitBySize(messages, 110);
    expect(parts.map((part) => part.map(({ id }) => id).join(''))).toEqual(['012', '3', '4']);
    for (const part of parts.slice(0, 2)) expect(writeEvent(part).length).toBeLessThanOrEqual(110);
    expect(JSON.parse(writeEvent(messages).toString('utf8')).Records).toHaveLength(5);
  });
});

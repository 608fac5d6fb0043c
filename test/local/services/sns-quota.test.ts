import { PublishBatchCommand, PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { AwsRequest } from '../../../local/services/aws-requests.ts';
import { publishQuota } from '../../../local/services/sns-quota.ts';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import { synthesizeFixture } from '../support.ts';

const request = (operation: string, entries = 0): AwsRequest => ({
  service: 'sns',
  operation,
  action: 'sns:Publish',
  resources: [],
  input: Object.fromEntries(
    Array.from({ length: entries }, (_, nth) => [
      [`PublishBatchRequestEntries.member.${nth + 1}.Id`, String(nth)],
      [`PublishBatchRequestEntries.member.${nth + 1}.Message`, 'm'],
    ]).flat(),
  ),
});

describe('the publish quota of SNS', () => {
  it.each([
    ['us-east-1', 30_000],
    ['eu-west-1', 9_000],
    ['eu-central-1', 1_500],
    ['eu-west-3', 300],
    ['il-central-1', 300],
  ])('depends on the Region: %s has %i messages a second', (region, quota) => {
    let now = 0;
    const admits = publishQuota(region, () => now);
    const count = () => {
      let admitted = 0;
      while (admits(request('Publish'))) admitted++;
      return admitted;
    };
    expect(count()).toBe(quota);
    now += 500;
    expect(count()).toBe(quota / 2);
  });

  it('counts the messages of a batch, and no other operation', () => {
    const admits = publishQuota('eu-west-3', () => 0);
    for (let batch = 0; batch < 29; batch++) expect(admits(request('PublishBatch', 10))).toBe(true);
    for (let nth = 0; nth < 5; nth++) expect(admits(request('Publish'))).toBe(true);
    expect(admits(request('PublishBatch', 10))).toBe(false);
    expect(admits(request('PublishBatch', 5))).toBe(true);
    expect(admits(request('Publish'))).toBe(false);
    expect(admits(request('Subscribe'))).toBe(true);
  });

  it.each(['paris', 'EU-WEST-3', ''])('needs the name of a Region, and %j is none', (name) => {
    expect(() => publishQuota(name)).toThrow('must be one such as eu-west-3');
  });
});

describe('a stack in a Region with 300 messages a second', () => {
  let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
  let stack: LocalStack;
  let sns: SNSClient;
  beforeAll(async () => {
    fixture = await synthesizeFixture();
    stack = await startLocalStack({ assembly: fixture.assembly, region: 'eu-west-3' });
    const { endpoint, region, accessKeyId, secretAccessKey } = stack.aws;
    const credentials = { accessKeyId, secretAccessKey };
    sns = new SNSClient({ endpoint, region, maxAttempts: 1, credentials });
  });
  afterAll(async () => {
    sns.destroy();
    await stack.close();
    fixture.remove();
  });

  it('refuses more with the error of SNS', async () => {
    // The bucket gets no new tokens, however long the requests take.
    const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now());
    onTestFinished(() => clock.mockRestore());
    const TopicArn = stack.outputs.TopicArn;
    const PublishBatchRequestEntries = Array.from({ length: 10 }, (_, nth) => ({
      Id: `${nth}`,
      Message: 'm',
    }));
    const batches = Array.from({ length: 60 }, () =>
      sns.send(new PublishBatchCommand({ TopicArn, PublishBatchRequestEntries })).then(
        () => 'taken',
        (error: unknown) => error,
      ),
    );
    const refused = (await Promise.all(batches)).filter((outcome) => outcome !== 'taken');
    expect(refused).toHaveLength(30);
    clock.mockRestore();
    for (const error of refused) {
      expect(error).toMatchObject({
        name: 'ThrottlingException',
        message: 'Rate exceeded',
        $metadata: { httpStatusCode: 400 },
      });
    }
    await expect
      .poll(() => sns.send(new PublishCommand({ TopicArn, Message: 'm' })).then(() => 'taken', String))
      .toBe('taken');
  });
});

/**
 * The frequent calls of SNS and SQS have the answers that they have through the HTTP server of fauxqs.
 */
import { buildApp } from 'fauxqs';
import { afterAll, expect, it } from 'vitest';
import { frequentSns, frequentSqs } from '../../../local/services/message-calls.ts';
import { S3Store } from '../../../node_modules/fauxqs/dist/s3/s3Store.js';
import { SnsStore } from '../../../node_modules/fauxqs/dist/sns/snsStore.js';
import { SqsStore } from '../../../node_modules/fauxqs/dist/sqs/sqsStore.js';

const stores = { sqsStore: new SqsStore(), snsStore: new SnsStore() };
const app = buildApp({ logger: false, stores: { ...stores, s3Store: new S3Store() } });
afterAll(() => app.close());

const QueueUrl = 'http://127.0.0.1/queue/q';
stores.sqsStore.createQueue('q', QueueUrl, 'arn:aws:sqs:us-east-1:000000000000:q');
const { arn: TopicArn } = stores.snsStore.createTopic('t', undefined, undefined, 'us-east-1');

const SQS: readonly (readonly [string, Record<string, unknown>])[] = [
  ['ReceiveMessage', { QueueUrl, WaitTimeSeconds: 0 }],
  ['ReceiveMessage', { QueueUrl, MaxNumberOfMessages: 11 }],
  ['ReceiveMessage', {}],
  ['SendMessage', { QueueUrl }],
  ['SendMessage', { QueueUrl: `${QueueUrl}-missing`, MessageBody: 'x' }],
  ['SendMessageBatch', { QueueUrl, Entries: [] }],
  ['DeleteMessage', { QueueUrl, ReceiptHandle: 'unknown' }],
  ['DeleteMessageBatch', { QueueUrl, Entries: [{ Id: 'a', ReceiptHandle: 'unknown' }] }],
  ['ChangeMessageVisibility', { QueueUrl, ReceiptHandle: 'unknown', VisibilityTimeout: 99_999 }],
];

it.each(SQS)('SQS %s %j', async (operation, input) => {
  const through = await app.inject({
    method: 'POST',
    url: '/',
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${operation}` },
    payload: JSON.stringify(input),
  });
  const direct = await frequentSqs(stores)(operation, structuredClone(input));
  expect(direct?.status).toBe(through.statusCode);
  expect(JSON.parse(direct?.body ?? '')).toEqual(JSON.parse(through.body === '' ? '{}' : through.body));
});

const SNS: readonly (readonly [string, Record<string, string>])[] = [
  ['Publish', { TopicArn: `${TopicArn}-missing`, Message: 'x' }],
  ['Publish', { TopicArn }],
  ['Publish', { TopicArn, Message: 'x'.repeat(300_000) }],
  ['PublishBatch', { TopicArn }],
];

/** Each answer has an id of its own. */
const withoutId = (xml: string) => xml.replaceAll(/<RequestId>[^<]*<\/RequestId>/g, '');

it.each(SNS)('SNS %s %#', async (Action, input) => {
  const form = { Action, ...input };
  const through = await app.inject({
    method: 'POST',
    url: '/',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams(form).toString(),
  });
  const direct = await frequentSns(stores)(Action, form);
  expect(direct?.status).toBe(through.statusCode);
  expect(withoutId(direct?.body ?? '')).toBe(withoutId(through.body));
});

it('other operations are left to fauxqs', () => {
  expect(frequentSqs(stores)('CreateQueue', {})).toBeUndefined();
  expect(frequentSns(stores)('CreateTopic', {})).toBeUndefined();
});

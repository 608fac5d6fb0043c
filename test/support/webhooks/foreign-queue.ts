/**
 * Resources of a team in the account of the hub: a queue that is subscribed to the hub's topic, and another topic on which
 * the team publishes up to the quota of the account.
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import {
  CreateTopicCommand,
  ListTopicsCommand,
  PublishBatchCommand,
  SNSClient,
  SubscribeCommand,
} from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { fieldsOf } from '../../../protocol/fields.ts';

/** The team's resources in the account of the hub. */
export interface Account {
  /** Receives the new messages of the queue. Returns the last offset of each channel. */
  readonly heard: () => Promise<ReadonlyMap<string, string>>;
  /** Publishes on the other topic until the quota of the account is used up, and continues until `end`. */
  readonly useUpQuota: () => Promise<{ readonly end: () => Promise<void> }>;
}

const BATCH = 10;
/** Batches at a time until one is refused: twice the quota of one second in a Region with 300. */
const AT_ONCE = 60;
/** Then each publisher sends batches of these sizes one after the other, and pauses (milliseconds). */
const PUBLISHERS = 3;
const SIZES = [BATCH, 5, 2, 1];
const PAUSE_MS = 3;

/** Credentials of the local stack. */
interface Identity {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Creates the resources. @param aws endpoint and credentials for which no policy is checked */
export async function accountOf(aws: Identity): Promise<Account> {
  const { endpoint, region, accessKeyId, secretAccessKey } = aws;
  const settings = { endpoint, region, maxAttempts: 1, credentials: { accessKeyId, secretAccessKey } };
  const sns = new SNSClient(settings);
  const sqs = new SQSClient(settings);
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'team' }));
  const { Topics = [] } = await sns.send(new ListTopicsCommand());
  const hints = Topics.find(({ TopicArn }) => TopicArn?.includes('HintsTopic'));
  const Endpoint = `arn:aws:sqs:${region}:000000000000:team`;
  const Attributes = { RawMessageDelivery: 'true' };
  await sns.send(new SubscribeCommand({ TopicArn: hints?.TopicArn, Protocol: 'sqs', Endpoint, Attributes }));
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'elsewhere' }));
  const offsets = new Map<string, string>();

  async function take(): Promise<number> {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: BATCH }),
    );
    for (const { Body } of Messages) {
      const { channel, offset } = fieldsOf(JSON.parse(Body ?? ''));
      const [name, at] = [String(channel), String(offset)];
      if (at > (offsets.get(name) ?? '')) offsets.set(name, at);
    }
    const Entries = Messages.map(({ ReceiptHandle }, nth) => ({ Id: String(nth), ReceiptHandle }));
    if (Entries.length > 0) await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    return Messages.length;
  }

  return {
    async heard() {
      while ((await take()) > 0);
      return offsets;
    },
    async useUpQuota() {
      let isOver = false;
      const publish = async (count: number): Promise<boolean> => {
        const PublishBatchRequestEntries = Array.from({ length: count }, (_, nth) => ({
          Id: String(nth),
          Message: 'm',
        }));
        return await sns.send(new PublishBatchCommand({ TopicArn, PublishBatchRequestEntries })).then(
          () => true,
          () => false,
        );
      };
      const burst = () => Promise.all(Array.from({ length: AT_ONCE }, () => publish(BATCH)));
      while ((await burst()).every(Boolean));
      const goOn = async (): Promise<void> => {
        while (!isOver) {
          for (const size of SIZES) await publish(size);
          await wait(PAUSE_MS);
        }
      };
      const all = Promise.all(Array.from({ length: PUBLISHERS }, goOn));
      return {
        async end() {
          isOver = true;
          await all;
        },
      };
    },
  };
}

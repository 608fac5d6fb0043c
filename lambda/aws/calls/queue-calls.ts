/**
 * The operations of SQS that the handlers need.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
 * @module
 */
import { fieldsOf } from '../../../protocol/fields.ts';
import { jsonCallsTo } from './signed-calls.ts';

/** A message to send. */
export interface OutgoingMessage {
  /** The text of the message. */
  readonly MessageBody: string;
  /** For how long nobody receives it: up to 900. None by default. */
  readonly DelaySeconds?: number;
  /** The tenant of a fair queue. A group with many messages does not delay the others. */
  readonly MessageGroupId?: string;
  /** A FIFO queue drops a message with the same id within five minutes. */
  readonly MessageDeduplicationId?: string;
  /** Values beside the text, by name. */
  readonly MessageAttributes?: Readonly<
    Record<string, { readonly DataType: 'String'; readonly StringValue: string }>
  >;
}

/** Calls SQS. The inputs and outputs have the members of its API. */
export interface QueueClient {
  /** SendMessage. */
  readonly sendMessage: (input: { readonly QueueUrl: string } & OutgoingMessage) => Promise<void>;
  /** SendMessageBatch. Returns the ids of messages that the queue did not accept. */
  readonly sendMessageBatch: (input: {
    readonly QueueUrl: string;
    readonly Entries: readonly ({ readonly Id: string } & OutgoingMessage)[];
  }) => Promise<{ readonly Failed: readonly { readonly Id: string }[] }>;
  /** ChangeMessageVisibility. */
  readonly changeMessageVisibility: (input: {
    readonly QueueUrl: string;
    readonly ReceiptHandle: string;
    readonly VisibilityTimeout: number;
  }) => Promise<void>;
}

/** Returns a client for SQS. @param attempts the most attempts at one call. Default: those of all services */
export function queueCalls(attempts?: number): QueueClient {
  const most = attempts === undefined ? {} : { attempts };
  const calls = jsonCallsTo({ service: 'sqs', version: '1.0', prefix: 'AmazonSQS', ...most });
  const [send, sendBatch] = [calls('SendMessage'), calls('SendMessageBatch')];
  const change = calls('ChangeMessageVisibility');
  return {
    sendMessage: async (input) => void (await send(input)),
    sendMessageBatch: async (input) => {
      const { Failed } = await sendBatch(input);
      const failed: readonly unknown[] = Array.isArray(Failed) ? Failed : [];
      return { Failed: failed.map((entry) => ({ Id: String(fieldsOf(entry).Id) })) };
    },
    changeMessageVisibility: async (input) => void (await change(input)),
  };
}

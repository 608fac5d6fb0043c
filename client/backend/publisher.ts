/**
 * Publishes by the intake queue of a hub, for functions that `hub.grantPublish(fn)` allows to: without a token, and without a
 * connection to the hub.
 * @module
 */

/** The part of an SQS client that is used: `new SQS()` of `@aws-sdk/client-sqs`, which the Lambda runtime has. */
export interface QueueSender {
  /** Sends a message. */
  sendMessage(input: {
    QueueUrl: string;
    MessageBody: string;
    MessageGroupId: string;
    MessageDeduplicationId: string;
  }): Promise<unknown>;
}

/** Publishes messages to a channel. `key`: messages with a key that was published within a day are not published again. */
export type Publisher = (channel: string, messages: readonly unknown[], key?: string) => Promise<void>;

/** The longest group of SQS. The end of a longer name is a group, too: what matters is that a channel always has the same one. */
const MAX_GROUP_LENGTH = 128;

/**
 * Returns a publisher. Calls one after the other on a channel are published in that order.
 * @param queueUrl the URL of the queue: `process.env.TIDINGS_INTAKE_URL`
 * @throws Error if there is no URL
 */
export function publisher(sqs: QueueSender, queueUrl: string | undefined): Publisher {
  if (!queueUrl) throw new Error('TIDINGS_INTAKE_URL is not set: call hub.grantPublish with this function');
  return async (channel, messages, key) => {
    await sqs.sendMessage({
      QueueUrl: queueUrl,
      MessageBody: JSON.stringify({ channel, messages, key }),
      MessageGroupId: channel.slice(-MAX_GROUP_LENGTH),
      MessageDeduplicationId: crypto.randomUUID(),
    });
  };
}

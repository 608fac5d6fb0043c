/**
 * The event of a batch of messages.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
 * @module
 */
import { LOCAL_REGION } from '../template/intrinsics.ts';
import { asList, type JsonObject, objectOr, requireString } from '../template/json.ts';
import { MAX_PAYLOAD_BYTES } from './response.ts';

/** A received message, which is hidden in its queue. */
export interface ReceivedMessage {
  /** The message id of SQS. */
  readonly id: string;
  /** Names this receive when the message is deleted. */
  readonly receiptHandle: string;
  /** The record of the event, as JSON text. */
  readonly record: string;
}

/** Returns the messages of an answer of `ReceiveMessage`, which must have all attributes. */
export function readMessages(answer: JsonObject, queueArn: string): ReceivedMessage[] {
  return asList(answer.Messages).map((message) => {
    const fields = objectOr(message);
    const id = requireString(fields.MessageId, 'MessageId');
    const receiptHandle = requireString(fields.ReceiptHandle, 'ReceiptHandle');
    const record = {
      messageId: id,
      receiptHandle,
      body: fields.Body,
      attributes: objectOr(fields.Attributes),
      messageAttributes: messageAttributes(objectOr(fields.MessageAttributes)),
      ...(fields.MD5OfMessageAttributes !== undefined && {
        md5OfMessageAttributes: fields.MD5OfMessageAttributes,
      }),
      md5OfBody: fields.MD5OfBody,
      eventSource: 'aws:sqs',
      eventSourceARN: queueArn,
      awsRegion: LOCAL_REGION,
    };
    return { id, receiptHandle, record: JSON.stringify(record) };
  });
}

function messageAttributes(attributes: JsonObject): JsonObject {
  const written = Object.entries(attributes).map(([name, value]) => {
    const { StringValue, BinaryValue, DataType } = objectOr(value);
    return [
      name,
      {
        ...(StringValue !== undefined && { stringValue: StringValue }),
        ...(BinaryValue !== undefined && { binaryValue: BinaryValue }),
        stringListValues: [],
        binaryListValues: [],
        dataType: DataType,
      },
    ] as const;
  });
  return Object.fromEntries(written);
}

const HEAD = '{"Records":[';
const TAIL = ']}';

/** Returns the event of a batch, as JSON text. */
export function writeEvent(batch: readonly ReceivedMessage[]): Buffer {
  return Buffer.from(`${HEAD}${batch.map(({ record }) => record).join(',')}${TAIL}`);
}

/** Divides messages into batches that fit into one payload, as Lambda does. `limit` is in bytes. */
export function splitBySize(
  messages: readonly ReceivedMessage[],
  limit = MAX_PAYLOAD_BYTES,
): ReceivedMessage[][] {
  const batches: ReceivedMessage[][] = [];
  let room = 0;
  for (const message of messages) {
    const size = Buffer.byteLength(message.record) + 1;
    const last = batches.at(-1);
    if (last === undefined || size > room) {
      batches.push([message]);
      room = limit - HEAD.length - TAIL.length - size;
    } else {
      last.push(message);
      room -= size;
    }
  }
  return batches;
}

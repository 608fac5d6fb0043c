/**
 * The event that a function gets for a batch of messages.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
 * @module
 */
import { REGION } from '../template/intrinsics.ts';
import { type JsonObject, listOf, objectOr, requireString } from '../template/json.ts';
import { MAX_PAYLOAD_BYTES } from './response.ts';

/** A message that was taken from its queue and is hidden there. */
export interface ReceivedMessage {
  readonly id: string;
  readonly receiptHandle: string;
  /** Its record in the event, as JSON text. */
  readonly record: string;
}

/** The messages of an answer of `ReceiveMessage` that was asked for all attributes. */
export function readMessages(answer: JsonObject, queueArn: string): ReceivedMessage[] {
  return listOf(answer.Messages).map((message) => {
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
      awsRegion: REGION,
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

/** The payload of an invocation. */
export function writeEvent(batch: readonly ReceivedMessage[]): Buffer {
  return Buffer.from(`${HEAD}${batch.map(({ record }) => record).join(',')}${TAIL}`);
}

/** Batches that each fit into one payload: Lambda invokes early where a full batch would not. */
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

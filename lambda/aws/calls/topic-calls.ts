/**
 * Publishing to a topic of SNS. Its API takes forms, and answers XML.
 * https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
 * @module
 */
import { encodeSegment } from '../sockets/sigv4.ts';
import type { Answer } from './http-requests.ts';
import type { CallError } from './retries.ts';
import { callsTo } from './signed-calls.ts';

/** Input of Publish. */
export interface PublishInput {
  /** ARN of the topic. */
  readonly TopicArn: string;
  /** The text of the message. */
  readonly Message: string;
  /** What filter policies compare. */
  readonly MessageAttributes: Readonly<
    Record<string, { readonly DataType: 'String'; readonly StringValue: string }>
  >;
  /** Is passed on to queues, where it is the tenant of a fair queue. */
  readonly MessageGroupId: string;
}

/** Calls SNS. */
export interface TopicClient {
  /** Publish. */
  readonly publish: (input: PublishInput) => Promise<void>;
}

const VERSION = '2010-03-31';

/** Returns a client for SNS. @param attempts the most attempts at one call */
export function topicCalls(attempts: number): TopicClient {
  const contentType = 'application/x-www-form-urlencoded';
  const call = callsTo({ service: 'sns', contentType, attempts, errorIn: xmlErrorIn })();
  return { publish: async (input) => void (await call(formOf(input))) };
}

function formOf({ TopicArn, Message, MessageAttributes, MessageGroupId }: PublishInput): string {
  const attributes = Object.entries(MessageAttributes).flatMap(([name, { DataType, StringValue }], at) => {
    const entry = `MessageAttributes.entry.${at + 1}`;
    return [
      [`${entry}.Name`, name],
      [`${entry}.Value.DataType`, DataType],
      [`${entry}.Value.StringValue`, StringValue],
    ];
  });
  const fields = [
    ['Action', 'Publish'],
    ['Version', VERSION],
    ['TopicArn', TopicArn],
    ['Message', Message],
    ...attributes,
    ['MessageGroupId', MessageGroupId],
  ];
  return fields.map(([name, value = '']) => `${name}=${encodeSegment(value)}`).join('&');
}

/** https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#operation-error-serialization */
function xmlErrorIn({ body }: Answer): CallError {
  const name = /<Code>([^<]+)<\/Code>/.exec(body)?.[1] ?? 'Unknown';
  const message = /<Message>([^<]*)<\/Message>/.exec(body)?.[1] ?? 'no message';
  return Object.assign(new Error(message), { name });
}

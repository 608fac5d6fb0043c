/**
 * The calls of SNS and SQS that an app makes for each message. They run the actions of fauxqs, without its HTTP server, which
 * takes several times the processor time of the action itself.
 * @module
 */
import { SnsError, SqsError } from '../../node_modules/fauxqs/dist/common/errors.js';
import { snsErrorResponse } from '../../node_modules/fauxqs/dist/common/xml.js';
import { publish, publishBatch } from '../../node_modules/fauxqs/dist/sns/actions/publish.js';
import type { SnsStore } from '../../node_modules/fauxqs/dist/sns/snsStore.js';
import { changeMessageVisibility } from '../../node_modules/fauxqs/dist/sqs/actions/changeMessageVisibility.js';
import { deleteMessage } from '../../node_modules/fauxqs/dist/sqs/actions/deleteMessage.js';
import { deleteMessageBatch } from '../../node_modules/fauxqs/dist/sqs/actions/deleteMessageBatch.js';
import { receiveMessage } from '../../node_modules/fauxqs/dist/sqs/actions/receiveMessage.js';
import { sendMessage } from '../../node_modules/fauxqs/dist/sqs/actions/sendMessage.js';
import { sendMessageBatch } from '../../node_modules/fauxqs/dist/sqs/actions/sendMessageBatch.js';
import type { SqsStore } from '../../node_modules/fauxqs/dist/sqs/sqsStore.js';
import type { JsonObject } from '../template/json.ts';

/** An HTTP answer of SNS or SQS. */
export interface MessagingAnswer {
  /** HTTP status. */
  readonly status: number;
  /** Only Content-Type. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON of SQS, or XML of SNS. */
  readonly body: string;
}

/** The stores of fauxqs. */
export interface MessageStores {
  /** Topics. */
  readonly snsStore: SnsStore;
  /** Queues. */
  readonly sqsStore: SqsStore;
}

/** Runs a call. Returns undefined for an operation that is not frequent. */
export type FrequentCall = (operation: string, input: JsonObject) => Promise<MessagingAnswer> | undefined;

const SQS_ACTIONS = new Map<string, (input: JsonObject, store: SqsStore) => unknown>([
  ['ChangeMessageVisibility', changeMessageVisibility],
  ['DeleteMessage', deleteMessage],
  ['DeleteMessageBatch', deleteMessageBatch],
  ['ReceiveMessage', receiveMessage],
  ['SendMessage', sendMessage],
  ['SendMessageBatch', sendMessageBatch],
]);
const SNS_ACTIONS = new Map([
  ['Publish', publish],
  ['PublishBatch', publishBatch],
]);

const JSON_TYPE = { 'content-type': 'application/x-amz-json-1.0' };
const XML_TYPE = { 'content-type': 'text/xml' };

/**
 * Runs a frequent operation of SQS. Returns its result, or undefined for another operation.
 * @throws SqsError for a call that SQS refuses
 */
export function runSqs(
  { sqsStore }: MessageStores,
  operation: string,
  input: JsonObject,
): Promise<unknown> | undefined {
  const act = SQS_ACTIONS.get(operation);
  return act && Promise.resolve().then(() => act(input, sqsStore));
}

/** Returns a function for the calls of SQS. */
export const frequentSqs = (stores: MessageStores): FrequentCall => {
  return (operation, input) =>
    runSqs(stores, operation, input)?.then(
      (result) => ({ status: 200, headers: JSON_TYPE, body: JSON.stringify(result ?? {}) }),
      (error: unknown) => {
        if (!(error instanceof SqsError)) return broken(error);
        return { status: error.statusCode, headers: JSON_TYPE, body: JSON.stringify(error.toJSON()) };
      },
    );
};

/** Returns a function for the calls of SNS. */
export const frequentSns = ({ snsStore, sqsStore }: MessageStores): FrequentCall => {
  return (operation, input) => {
    const act = SNS_ACTIONS.get(operation);
    if (act === undefined || !isForm(input)) return undefined;
    return Promise.resolve()
      .then(() => act(input, snsStore, sqsStore))
      .then(
        (body) => ({ status: 200, headers: XML_TYPE, body }),
        (error: unknown) => {
          if (!(error instanceof SnsError)) return broken(error);
          const { code, message, senderFault, statusCode } = error;
          const body = snsErrorResponse(code, message, senderFault ? 'Sender' : 'Receiver');
          return { status: statusCode, headers: XML_TYPE, body };
        },
      );
  };
};

/** The answer for a message that cannot be stored, mostly because the disk is full. */
function broken(error: unknown): MessagingAnswer {
  const message = error instanceof Error ? error.message : String(error);
  return { status: 500, headers: JSON_TYPE, body: JSON.stringify({ message }) };
}

const isForm = (input: JsonObject): input is Record<string, string> =>
  Object.values(input).every((value) => typeof value === 'string');

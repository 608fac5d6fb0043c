/**
 * Shared by the tests of queues: a consumer, to which the functions of the fixture send their batches, and a stack with a client
 * for its queues.
 * @module
 */
import { createServer } from 'node:http';
import {
  SendMessageBatchCommand,
  SendMessageCommand,
  type SendMessageCommandInput,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { expect, vi } from 'vitest';
import { type LocalStack, type LocalStackOptions, startLocalStack } from '../../local/stack.ts';
import { asList, isObject, type JsonObject, objectOr, parseJson } from '../../local/template/json.ts';
import { synthesizeFixture } from './support.ts';

export interface Batch {
  readonly records: readonly JsonObject[];
  /** The texts of the messages. */
  readonly texts: readonly string[];
}

export interface Consumer {
  readonly port: string;
  /** In the order of arrival. */
  readonly batches: Batch[];
  /** Number of batches without an answer. */
  running: number;
  /** Maximum of `running`. */
  most: number;
  /** Returns the answer to a batch. An error fails the function. */
  rule: (batch: Batch) => unknown;
  /** Returns all texts in the order of arrival. */
  texts(): string[];
  reset(): void;
  close(): Promise<void>;
}

const succeed = () => null;

/** Waits until the condition does not throw. */
export const until = (condition: () => unknown) => vi.waitFor(condition, { timeout: 60_000, interval: 5 });

/** Starts a consumer. Every batch succeeds until the test sets a rule. */
export async function startConsumer(): Promise<Consumer> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const records = asList(objectOr(parseJson(Buffer.concat(chunks).toString('utf8'))).Records).map(
        objectOr,
      );
      const batch = { records, texts: records.map(textOf) };
      consumer.batches.push(batch);
      consumer.running += 1;
      consumer.most = Math.max(consumer.most, consumer.running);
      Promise.resolve()
        .then(() => consumer.rule(batch))
        .then(
          (answer) => response.end(JSON.stringify(answer)),
          (error: unknown) => response.writeHead(500).end(String(error)),
        )
        .finally(() => {
          consumer.running -= 1;
        });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the consumer got no port');
  const consumer: Consumer = {
    port: String(address.port),
    batches: [],
    running: 0,
    most: 0,
    rule: succeed,
    texts: () => consumer.batches.flatMap(({ texts }) => texts),
    reset() {
      consumer.batches.length = 0;
      consumer.most = 0;
      consumer.rule = succeed;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return consumer;
}

const textOf = (record: JsonObject) => String(objectOr(parseJson(String(record.body))).text);

/** Returns the answer that reports the messages for which `failed` returns true. */
export const reporting = (batch: Batch, failed: (text: string) => boolean) => ({
  batchItemFailures: batch.records
    .filter((record) => failed(textOf(record)))
    .map(({ messageId }) => ({ itemIdentifier: messageId })),
});

/** Returns a rule that holds every batch until `open` is called. */
export function holding(): { rule: () => Promise<null>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<null>();
  return { rule: () => promise, open: () => resolve(null) };
}

export interface QueueStack {
  readonly stack: LocalStack;
  readonly consumer: Consumer;
  readonly sqs: SQSClient;
  /** Settings for clients of other services. */
  readonly settings: {
    endpoint: string;
    region: string;
    maxAttempts: number;
    credentials: { accessKeyId: string; secretAccessKey: string };
  };
  readonly assembly: string;
  /** Sends a message to the queue with that construct id. */
  send(queue: string, text: string, more?: Partial<SendMessageCommandInput>): Promise<void>;
  /** Sends messages in batches of ten. The text is also the id in the batch. */
  sendAll(queue: string, texts: readonly string[], more?: (text: string) => object): Promise<void>;
  /** Resolves when the queue has no messages. */
  emptied(queue: string): Promise<unknown>;
  url(queue: string): string;
  body(text: string): string;
  control(path: string, init?: RequestInit): Promise<Response>;
  /** Returns the records of the control endpoint `queues`, by construct id. */
  queues(): Promise<Record<string, JsonObject>>;
  close(): Promise<void>;
}

/** Starts the stack of the fixture `queues`. */
export async function startQueueStack(options: Partial<LocalStackOptions> = {}): Promise<QueueStack> {
  const fixture = await synthesizeFixture({}, 'queues');
  const consumer = await startConsumer();
  const stack = await startLocalStack({ assembly: fixture.assembly, ...options });
  const { endpoint, region, accessKeyId, secretAccessKey } = stack.aws;
  const settings = { endpoint, region, maxAttempts: 1, credentials: { accessKeyId, secretAccessKey } };
  const sqs = new SQSClient(settings);
  const body = (text: string) => JSON.stringify({ port: consumer.port, text });
  const url = (queue: string) => stack.outputs[`${queue}Url`] ?? '';
  const control = (path: string, init?: RequestInit) => fetch(`${stack.control}/${path}`, init);
  async function queues(): Promise<Record<string, JsonObject>> {
    const records: unknown = await (await control('queues')).json();
    const known = Array.isArray(records) ? records.filter(isObject) : [];
    return Object.fromEntries(known.map((record) => [String(record.queue).replace('Post/', ''), record]));
  }
  return {
    stack,
    consumer,
    sqs,
    settings,
    assembly: fixture.assembly,
    url,
    body,
    control,
    async send(queue, text, more = {}) {
      await sqs.send(new SendMessageCommand({ QueueUrl: url(queue), MessageBody: body(text), ...more }));
    },
    queues,
    async sendAll(queue, texts, more = () => ({})) {
      for (let start = 0; start < texts.length; start += 10) {
        const ten = texts.slice(start, start + 10);
        const Entries = ten.map((text) => ({ Id: text, MessageBody: body(text), ...more(text) }));
        await sqs.send(new SendMessageBatchCommand({ QueueUrl: url(queue), Entries }));
      }
    },
    emptied: (queue) =>
      until(async () => {
        const { [queue]: record } = await queues();
        expect(record).toMatchObject({ visible: 0, inFlight: 0, delayed: 0 });
      }),
    async close() {
      sqs.destroy();
      await stack.close();
      await consumer.close();
      fixture.remove();
    },
  };
}

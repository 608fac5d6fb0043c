/**
 * The rows and queues of webhooks in the local stack, read and written directly: for states that no handler would store, and
 * for times that no test can wait for.
 * @module
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import {
  DeleteCommand,
  DynamoDBDocumentClient,
  PutCommand,
  ScanCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { expect } from 'vitest';
import { type Fields, fieldsOf } from '../../../protocol/fields.ts';
import type { RunningHub } from '../../../scripts/hub/local-hub.ts';

/** A queue as the control endpoint of the local stack shows it. */
export interface QueueState {
  readonly queue: string;
  readonly name: string;
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
  /** The bodies of the first ten visible messages. */
  readonly bodies: readonly string[];
}

/** The tables and queues of one hub. */
export type WebhookTables = ReturnType<typeof tablesOf>;

/** Returns the tables and queues of a running hub. */
export function tablesOf({ stack }: RunningHub) {
  const { endpoint, region, accessKeyId, secretAccessKey } = stack.aws;
  const settings = { endpoint, region, credentials: { accessKeyId, secretAccessKey } };
  const client = DynamoDBDocumentClient.from(new DynamoDBClient(settings));
  const sqs = new SQSClient(settings);
  const tableOf = (name: 'Endpoints' | 'Deliveries'): string => {
    const found = Object.entries(stack.outputs).find(([output]) => output.includes(`RefWebhooks${name}`));
    if (!found) throw new Error(`the stack has no output for the table ${name}`);
    return found[1];
  };
  const update = async (table: string, Key: Fields, change: Fields): Promise<void> => {
    const names = Object.keys(change);
    const command = new UpdateCommand({
      TableName: table,
      Key,
      UpdateExpression: `SET ${names.map((name) => `#${name} = :${name}`).join(', ')}`,
      // The update must not create a row.
      ConditionExpression: names.map((name) => `attribute_exists(#${name})`).join(' AND '),
      ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
      ExpressionAttributeValues: Object.fromEntries(names.map((name) => [`:${name}`, change[name]])),
    });
    await client.send(command);
  };
  const rows = async (name: 'Endpoints' | 'Deliveries'): Promise<readonly Fields[]> => {
    const all: Fields[] = [];
    let from: Record<string, unknown> | undefined;
    do {
      const scan = new ScanCommand({
        TableName: tableOf(name),
        ConsistentRead: true,
        ...(from === undefined ? {} : { ExclusiveStartKey: from }),
      });
      const { Items = [], LastEvaluatedKey } = await client.send(scan);
      all.push(...Items);
      from = LastEvaluatedKey;
    } while (from !== undefined);
    return all;
  };
  const queue = async (part: string): Promise<QueueState> => {
    const states: readonly QueueState[] = JSON.parse(await (await fetch(`${stack.control}/queues`)).text());
    const found = states.find((one) => one.queue.endsWith(`/WebhookQueues/${part}`));
    if (!found) throw new Error(`the stack has no queue ${part}`);
    return found;
  };
  const send = async (part: string, body: string): Promise<void> => {
    const { name } = await queue(part);
    await sqs.send(new SendMessageCommand({ QueueUrl: `${endpoint}/queue/${name}`, MessageBody: body }));
  };
  return {
    rows,
    queue,
    send,
    /** Changes the row of an endpoint to values that the handler would refuse. */
    changeEndpoint: (id: string, change: Fields) =>
      update(tableOf('Endpoints'), { kind: 'endpoint', id }, change),
    /**
     * Moves the time for a waiting delivery: it has failed this often, and its next attempt is due.
     * The endpoint must have no owner meanwhile.
     */
    async age(id: string, delivery: string, failures: number): Promise<void> {
      const retry = (await rows('Deliveries')).find(
        (row) => row.endpoint === id && row.kind === 'retry' && row.delivery === delivery,
      );
      if (!retry) throw new Error(`nothing is due for ${delivery}`);
      const TableName = tableOf('Deliveries');
      const due = Date.now();
      const row = `due#${due}#${retry.id}`;
      await update(TableName, { endpoint: id, row: `message#${delivery}` }, { due, rung: failures });
      await client.send(new PutCommand({ TableName, Item: { ...retry, row, due } }));
      await client.send(new DeleteCommand({ TableName, Key: { endpoint: id, row: retry.row } }));
      await send('Deliver/Queue', JSON.stringify({ endpoint: id }));
    },
    /** The dead letters of an endpoint among the first ten. */
    async deadLetters(id: string): Promise<readonly Fields[]> {
      const { bodies } = await queue('Deliver/DeadLetters');
      return bodies.map((body) => fieldsOf(JSON.parse(body))).filter((one) => one.endpoint === id);
    },
    /** Moves all dead letters back into the queue. Returns the answer of the local stack. */
    async redrive(): Promise<Fields> {
      const response = await fetch(`${stack.control}/queues/redrive`, {
        method: 'POST',
        body: JSON.stringify({ queue: 'WebhookQueues/Deliver' }),
      });
      const text = await response.text();
      expect(response.status, text).toBe(200);
      return fieldsOf(JSON.parse(text));
    },
  };
}

/**
 * SNS and SQS: fauxqs in this process. On a port of its own it would listen on every interface of the machine. Its stores are
 * created here, from modules that it does not export, so that messages can be stored in a file. Topics need no file: fauxqs
 * answers a publish when the message is in all queues.
 * @module
 */
import { buildApp } from 'fauxqs';
import { S3Store } from '../../node_modules/fauxqs/dist/s3/s3Store.js';
import { SnsStore } from '../../node_modules/fauxqs/dist/sns/snsStore.js';
import { SqsStore } from '../../node_modules/fauxqs/dist/sqs/sqsStore.js';
import { decide } from '../iam/iam.ts';
import type { Resolved } from '../template/assembly.ts';
import { ACCOUNT } from '../template/intrinsics.ts';
import { type JsonObject, numberOr, objectOr, parseJson, requireString } from '../template/json.ts';
import { arnOf } from '../template/names.ts';
import type { Plan } from '../template/plan.ts';
import { describeResource } from '../template/resources.ts';
import type { AwsRequest } from './aws-requests.ts';
import {
  frequentSns,
  frequentSqs,
  type MessageStores,
  type MessagingAnswer,
  runSqs,
} from './message-calls.ts';
import { openStoredMessages } from './stored-messages.ts';

/** The SNS and SQS services. */
export interface Messaging {
  /** Answers a request of an SDK client. */
  answer(call: AwsRequest, headers: Readonly<Record<string, string>>, body: Buffer): Promise<MessagingAnswer>;
  /**
   * Runs one operation of SQS on a queue. No policy is asked.
   * @param queue name of the queue
   * @throws Error for an answer of SQS that is an error
   */
  sqs(action: string, queue: string, input: JsonObject): Promise<JsonObject>;
  /** Returns the messages of a queue without a receive, in the form of fauxqs. */
  inspect(queue: string): Promise<JsonObject>;
  /** Ends the services and closes the file. */
  close(): Promise<void>;
}

/** The store of messages. */
export interface MessagingOptions {
  /** Host and port for the URLs of queues. */
  readonly host: string;
  /** Directory that stores messages; undefined for memory. */
  readonly data: string | undefined;
  /** Takes each line about an error or a refusal. */
  readonly log: (line: string) => void;
}

/**
 * Creates queues, topics and subscriptions. Returns undefined if the templates have none.
 * @throws Error with one sentence for a subscription that is not understood or would get no messages on AWS
 */
export async function startMessaging(
  plan: Plan,
  { host, data, log }: MessagingOptions,
): Promise<Messaging | undefined> {
  const queues = plan.all('AWS::SQS::Queue');
  const topics = plan.all('AWS::SNS::Topic');
  if (queues.length + topics.length === 0) return undefined;
  const sqsStore = new SqsStore();
  const stores = { sqsStore, snsStore: new SnsStore(), s3Store: new S3Store() };
  const app = buildApp({ logger: false, stores });
  const fauxqs: Fauxqs = { stores, host, forward: forwarding(app, host) };
  await createAll(fauxqs, plan, queues, topics);
  const stored = data === undefined ? undefined : openStoredMessages(data, log);
  for (const queue of sqsStore.allQueues()) stored?.attach(queue);
  return {
    answer: answering(fauxqs),
    sqs: async (action, queue, input) => await callSqs(fauxqs, action, queue, input),
    async inspect(queue) {
      const answer = await app.inject({ method: 'GET', url: `/_fauxqs/queues/${queue}`, headers: { host } });
      return objectOr(parseJson(answer.body));
    },
    close: async () => {
      await app.close();
      stored?.close();
    },
  };
}

type Headers = Readonly<Record<string, string>>;

/** The services as they run in this process. */
interface Fauxqs {
  readonly stores: MessageStores;
  /** Host and port for the URLs of queues. */
  readonly host: string;
  /** Answers a request as fauxqs does over HTTP, without a connection. */
  readonly forward: (headers: Headers, body: Buffer) => Promise<MessagingAnswer>;
}

function forwarding(app: ReturnType<typeof buildApp>, host: string): Fauxqs['forward'] {
  return async (headers, payload) => {
    const answer = await app.inject({ method: 'POST', url: '/', headers: { ...headers, host }, payload });
    const type = answer.headers['content-type'];
    return {
      status: answer.statusCode,
      headers: typeof type === 'string' ? { 'content-type': type } : {},
      body: withOwnUrls(headers['x-amz-target'], answer.body, host),
    };
  };
}

/** Returns a function that runs frequent requests directly, and forwards all others. */
function answering({ stores, forward }: Fauxqs): Messaging['answer'] {
  const sqsCall = frequentSqs(stores);
  const snsCall = frequentSns(stores);
  return ({ service, operation, input }, headers, body) => {
    const isForm = headers['content-type']?.includes('x-www-form-urlencoded') ?? false;
    const call = service === 'sns' ? snsCall : sqsCall;
    const frequent = isForm === (service === 'sns') ? call(operation, input) : undefined;
    return frequent ?? forward(headers, body);
  };
}

async function createAll(
  fauxqs: Fauxqs,
  plan: Plan,
  queues: readonly Resolved[],
  topics: readonly Resolved[],
): Promise<void> {
  for (const queue of queues)
    await callSqs(fauxqs, 'CreateQueue', queue.name, { Attributes: queueAttributes(queue) });
  // Dead-letter queues may be declared after the queues that name them, so redrive is set once all exist.
  for (const queue of queues) {
    const redrive = queue.properties.RedrivePolicy;
    if (redrive === undefined) continue;
    const Attributes = { RedrivePolicy: JSON.stringify(redrive) };
    await callSqs(fauxqs, 'SetQueueAttributes', queue.name, { Attributes });
  }
  for (const topic of topics)
    await callSns(fauxqs, 'CreateTopic', { Name: topic.name, ...topicAttributes(topic) });
  for (const subscription of plan.all('AWS::SNS::Subscription')) {
    if (isMail(subscription.properties)) continue;
    await callSns(fauxqs, 'Subscribe', subscriptionInput(subscription, queues, plan));
  }
}

async function callSqs(
  { stores, host, forward }: Fauxqs,
  action: string,
  queue: string,
  input: JsonObject,
): Promise<JsonObject> {
  const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${action}` };
  const named = { QueueName: queue, QueueUrl: `http://${host}/queue/${queue}`, ...input };
  const result = runSqs(stores, action, named);
  if (result !== undefined) return objectOr(await result);
  const answer = await forward(headers, Buffer.from(JSON.stringify(named)));
  refuse(action, answer);
  return objectOr(parseJson(answer.body));
}

async function callSns(
  { forward }: Fauxqs,
  action: string,
  input: Readonly<Record<string, string>>,
): Promise<void> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const form = new URLSearchParams({ Action: action, Version: '2010-03-31', ...input });
  refuse(action, await forward(headers, Buffer.from(form.toString())));
}

/** A subscription by e-mail gets nothing here: no e-mail leaves this machine, so nobody can confirm it. */
const isMail = ({ Protocol }: JsonObject): boolean => Protocol === 'email';

/** Replaces the host name in URLs of queues, which may not resolve, by the AWS endpoint. */
function withOwnUrls(target: string | undefined, body: string, host: string): string {
  if (!/^AmazonSQS\.(GetQueueUrl|ListQueues|CreateQueue)$/.test(target ?? '')) return body;
  return body.replaceAll(/http:\/\/sqs\.[^/"]+\//g, `http://${host}/`);
}

function refuse(action: string, answer: MessagingAnswer): void {
  if (answer.status >= 300) throw new Error(`${action} failed with ${answer.status}: ${answer.body}`);
}

const QUEUE_ATTRIBUTES = [
  'ContentBasedDeduplication',
  'DeduplicationScope',
  'DelaySeconds',
  'FifoQueue',
  'MaximumMessageSize',
  'MessageRetentionPeriod',
  'ReceiveMessageWaitTimeSeconds',
  'VisibilityTimeout',
];

function queueAttributes(queue: Resolved): Record<string, string> {
  const given = QUEUE_ATTRIBUTES.filter((name) => queue.properties[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, String(queue.properties[name])]));
}

const topicAttributes = (topic: Resolved) =>
  entries(
    ['FifoTopic', 'ContentBasedDeduplication'].flatMap((name): [string, string][] => {
      return topic.properties[name] === undefined ? [] : [[name, String(topic.properties[name])]];
    }),
  );

/** Returns a map in the form of the query protocol: numbered pairs. */
function entries(pairs: readonly (readonly [string, string])[]): Record<string, string> {
  const numbered = pairs.flatMap(([key, value], index): [string, string][] => [
    [`Attributes.entry.${index + 1}.key`, key],
    [`Attributes.entry.${index + 1}.value`, value],
  ]);
  return Object.fromEntries(numbered);
}

function subscriptionInput(
  subscription: Resolved,
  queues: readonly Resolved[],
  plan: Plan,
): Record<string, string> {
  const { Protocol, TopicArn, Endpoint, RawMessageDelivery, FilterPolicy, FilterPolicyScope } =
    subscription.properties;
  if (Protocol !== 'sqs')
    throw new Error(
      `${describeResource(subscription)} has the protocol ${String(Protocol)}; only sqs and email are known here`,
    );
  const topic = requireString(TopicArn, `TopicArn of ${describeResource(subscription)}`);
  const queue = queues.find((candidate) => arnOf(candidate) === Endpoint);
  if (queue === undefined)
    throw new Error(`${describeResource(subscription)} goes to ${String(Endpoint)}, which no template has`);
  if (!maySend(queue, topic, plan)) {
    throw new Error(
      `${describeResource(queue)} has no queue policy that lets ${topic} send to it: on AWS no message would arrive`,
    );
  }
  if (numberOr(queue.properties.DelaySeconds, 0, `DelaySeconds of ${describeResource(queue)}`) > 0) {
    throw new Error(
      `${describeResource(queue)} has a delay, which the local stack does not apply to messages of a topic`,
    );
  }
  const attributes: [string, string][] = [];
  if (RawMessageDelivery !== undefined) attributes.push(['RawMessageDelivery', String(RawMessageDelivery)]);
  if (FilterPolicy !== undefined) attributes.push(['FilterPolicy', JSON.stringify(FilterPolicy)]);
  if (FilterPolicyScope !== undefined) attributes.push(['FilterPolicyScope', String(FilterPolicyScope)]);
  return { TopicArn: topic, Protocol, Endpoint: arnOf(queue), ...entries(attributes) };
}

/** Returns true if the policy of the queue lets the topic send messages. */
function maySend(queue: Resolved, topicArn: string, plan: Plan): boolean {
  const resource = arnOf(queue);
  const context = {
    'aws:SourceArn': [topicArn],
    'aws:SourceAccount': [ACCOUNT],
    'aws:SecureTransport': ['true'],
  };
  const requester = { kind: 'service', name: 'sns.amazonaws.com' } as const;
  const question = { requester, action: 'sqs:SendMessage', resource, context };
  return decide([], plan.resourcePolicies(resource), question).allowed;
}

/** Returns the input of a request in the query protocol or in JSON. */
export function readMessagingInput(contentType: string, body: Buffer): JsonObject {
  const text = body.toString('utf8');
  if (contentType.includes('x-www-form-urlencoded')) return Object.fromEntries(new URLSearchParams(text));
  return objectOr(parseJson(text));
}

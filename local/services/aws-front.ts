/**
 * The AWS endpoint, to which all SDK clients send their calls. It finds the caller by the access key and checks its role. Then
 * the service answers.
 * @module
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Effect, Faults } from '../faults/faults.ts';
import { type CallLog, sessionArn } from '../iam/call-log.ts';
import type { HttpListener } from '../listener.ts';
import { objectOr, parseJson } from '../template/json.ts';
import type { FunctionPlan } from '../template/plan.ts';
import {
  type AwsRequest,
  dynamoDbRequest,
  readCredential,
  secretsRequest,
  snsRequest,
  sqsRequest,
  targetOperation,
} from './aws-requests.ts';
import type { DynamoDb, ServiceAnswer } from './dynamodb-service.ts';
import { type InvokeByArn, invokeFunction, lambdaError, lambdaRequest } from './lambda-calls.ts';
import { type Messaging, readMessagingInput } from './messaging.ts';
import { isBatchTooLong } from './publish-batch.ts';
import type { SecretsManager } from './secrets.ts';
import { RATE_EXCEEDED } from './sns-quota.ts';

/** An environment that calls AWS. */
export interface AwsCaller {
  /** The function of the environment. */
  readonly plan: FunctionPlan;
  /** Kills its process. */
  kill(): void;
}

/** The services behind the endpoint. */
export interface Services {
  /** The tables. */
  readonly dynamodb: DynamoDb;
  /** The secrets. */
  readonly secrets: SecretsManager;
  /** SNS and SQS; undefined if no template has a topic or a queue. */
  readonly messaging: Messaging | undefined;
  /** Invokes a function of the templates. */
  readonly invoke: InvokeByArn;
  /** Counts a call of SNS. Returns false above the publish quota of the Region. */
  readonly admits: (call: AwsRequest) => boolean;
}

/** The parts of the stack that the endpoint uses. */
export interface FrontOptions {
  /** Access key that no policy is asked about. */
  readonly adminKeyId: string;
  /** Returns the environment with that access key; undefined for a key that no environment has. */
  caller(accessKeyId: string): AwsCaller | undefined;
  /** The services that answer. */
  readonly services: Services;
  /** Decides about calls, and records them. */
  readonly callLog: CallLog;
  /** The faults that tests have added. */
  readonly faults: Faults;
  /** Answers requests below `/_local/`. */
  readonly control: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;
}

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The limit of dynalite and DynamoDB. */
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

/** Serves the endpoint on its listener. */
export function serveAws(listener: HttpListener, options: FrontOptions): void {
  listener.serve((request, response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_REQUEST_BYTES) chunks.push(chunk);
    });
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      if (request.url?.startsWith('/_local/')) return options.control(request, response, body);
      if (size > MAX_REQUEST_BYTES) return send(response, { status: 413, headers: {}, body: '' });
      handle(options, request, body).then(
        (reply) => (reply === undefined ? request.socket.destroy() : send(response, reply)),
        (error: unknown) => send(response, jsonReply(failure(500, 'InternalFailure', String(error)))),
      );
    });
  });
}

/** Returns the reply, or undefined if a fault breaks the connection. */
async function handle(
  options: FrontOptions,
  request: IncomingMessage,
  body: Buffer,
): Promise<Reply | undefined> {
  const credential = readCredential(request.headers.authorization);
  if (credential === undefined) {
    return jsonReply(
      failure(400, 'MissingAuthenticationTokenException', 'Request is missing Authentication Token'),
    );
  }
  const caller = options.caller(credential.accessKeyId);
  if (caller === undefined && credential.accessKeyId !== options.adminKeyId) {
    const message = 'The security token included in the request is invalid.';
    return jsonReply(failure(403, 'UnrecognizedClientException', message));
  }
  const call = understand(credential.service, request, body, options.services);
  if (call === undefined) {
    const message = `the local stack has no service ${credential.service}`;
    return jsonReply(failure(400, 'UnknownOperationException', message));
  }
  if (caller === undefined) return execute(call, request, body, options.services);
  const denied = deny(options.callLog, caller, call);
  if (denied !== undefined) return errorReply(call, denied);
  options.callLog.count(caller.plan, call.action);
  return withFaults(options.faults, caller, call, () => execute(call, request, body, options.services));
}

function understand(
  service: string,
  request: IncomingMessage,
  body: Buffer,
  services: Services,
): AwsRequest | undefined {
  const header = request.headers['x-amz-target'];
  const operation = targetOperation(Array.isArray(header) ? header[0] : header);
  switch (service) {
    case 'dynamodb':
      return dynamoDbRequest(operation, objectOr(parseJson(body.toString('utf8'))));
    case 'lambda':
      return lambdaRequest(request.method ?? '', request.url ?? '');
    case 'secretsmanager': {
      const input = objectOr(parseJson(body.toString('utf8')));
      return secretsRequest(operation, input, services.secrets.arn(input.SecretId));
    }
    case 'sns':
      return snsRequest(readMessagingInput(request.headers['content-type'] ?? '', body));
    case 'sqs':
      return sqsRequest(operation, readMessagingInput(request.headers['content-type'] ?? '', body));
    default:
      return undefined;
  }
}

const DENIED_BY_403 = new Set(['sns', 'lambda']);

/** Returns the error of AWS if the role does not allow the call. */
function deny(callLog: CallLog, caller: AwsCaller, call: AwsRequest): ServiceAnswer | undefined {
  for (const resource of call.resources) {
    const message = denialOf(callLog, caller, call.action, resource);
    if (message !== undefined)
      return failure(DENIED_BY_403.has(call.service) ? 403 : 400, 'AccessDeniedException', message);
  }
  return undefined;
}

/** Returns the message of AWS if the caller may not do the action on the resource; undefined if it may. */
export function denialOf(
  callLog: CallLog,
  { plan }: AwsCaller,
  action: string,
  resource: string,
): string | undefined {
  const decision = callLog.authorize(plan, action, resource);
  if (decision.allowed) return undefined;
  const because = decision.explicitDeny
    ? `with an explicit deny in ${decision.explicitDeny === 'identity-based' ? 'an' : 'a'} ${decision.explicitDeny} policy`
    : `because no identity-based policy allows the ${action} action`;
  return `User: ${sessionArn(plan)} is not authorized to perform: ${action} on resource: ${resource} ${because}`;
}

async function withFaults(
  faults: Faults,
  caller: AwsCaller,
  call: AwsRequest,
  run: () => Promise<Reply>,
): Promise<Reply | undefined> {
  const before = await applyEffect(faults.effectOn(caller.plan.path, 'before', call), caller, call);
  if (before !== 'unaffected') return before;
  const reply = await run();
  const after = await applyEffect(faults.effectOn(caller.plan.path, 'after', call), caller, call);
  return after === 'unaffected' ? reply : after;
}

async function applyEffect(
  effect: Effect | undefined,
  caller: AwsCaller,
  call: AwsRequest,
): Promise<Reply | 'unaffected' | undefined> {
  if (effect === undefined) return 'unaffected';
  if (effect.kind === 'kill') {
    caller.kill();
    return undefined;
  }
  // Without a reply the connection breaks, and the process goes on.
  if (effect.kind === 'reset') return undefined;
  if (effect.kind === 'error') return errorReply(call, failure(effect.status, effect.type, effect.message));
  await new Promise((resolve) => setTimeout(resolve, effect.delayMs));
  return 'unaffected';
}

async function execute(
  call: AwsRequest,
  request: IncomingMessage,
  body: Buffer,
  services: Services,
): Promise<Reply> {
  if (call.service === 'dynamodb') return jsonReply(await services.dynamodb.run(call.operation, call.input));
  if (call.service === 'secretsmanager') return jsonReply(services.secrets.run(call.operation, call.input));
  if (call.service === 'lambda')
    return await invokeFunction(call, request.headers['x-amz-invocation-type'], body, services.invoke);
  if (services.messaging === undefined) {
    return errorReply(
      call,
      failure(404, 'NotFoundException', `no template has a resource of ${call.service}`),
    );
  }
  if (call.service === 'sns' && !services.admits(call)) {
    const { status, type, message } = RATE_EXCEEDED;
    return errorReply(call, failure(status, type, message));
  }
  if (call.service === 'sns' && isBatchTooLong(call)) {
    const message = 'The length of all the batch messages put together is more than the limit.';
    return errorReply(call, failure(400, 'BatchRequestTooLong', message));
  }
  return services.messaging.answer(call, plainHeaders(request), body);
}

function plainHeaders(request: IncomingMessage): Record<string, string> {
  const wanted = ['content-type', 'x-amz-target', 'authorization'];
  const present = wanted.map((name) => [name, request.headers[name]] as const);
  return Object.fromEntries(
    present.filter((pair): pair is readonly [string, string] => typeof pair[1] === 'string'),
  );
}

const NAMESPACE: Readonly<Record<string, string>> = {
  ProvisionedThroughputExceededException: 'com.amazonaws.dynamodb.v20120810#',
  ConditionalCheckFailedException: 'com.amazonaws.dynamodb.v20120810#',
};

function failure(status: number, type: string, message: string): ServiceAnswer {
  return { status, body: { __type: `${NAMESPACE[type] ?? 'com.amazon.coral.service#'}${type}`, message } };
}

/** Returns an error in the protocol of the service: XML for SNS, JSON for the others, of which Lambda has the code in a header. */
function errorReply(call: AwsRequest, { status, body }: ServiceAnswer): Reply {
  const code = String(body.__type).replace(/^.*#/, '');
  if (call.service === 'lambda') return lambdaError(status, code, String(body.message));
  if (call.service !== 'sns') return jsonReply({ status, body });
  // The query protocol has another name for this error.
  const shown = code === 'AccessDeniedException' ? 'AuthorizationError' : code;
  const message = String(body.message).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const error = `<Error><Type>Sender</Type><Code>${shown}</Code><Message>${message}</Message></Error>`;
  const xml = `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">${error}</ErrorResponse>`;
  return { status, headers: { 'content-type': 'text/xml' }, body: xml };
}

function jsonReply({ status, body }: ServiceAnswer): Reply {
  return { status, headers: { 'content-type': 'application/x-amz-json-1.0' }, body: JSON.stringify(body) };
}

function send(response: ServerResponse, { status, headers, body }: Reply): void {
  response.writeHead(status, {
    ...headers,
    'x-amzn-requestid': randomUUID(),
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

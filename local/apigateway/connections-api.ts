/**
 * The `@connections` API: functions send messages to connections, read their state, and close them.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
 * @module
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PostChaos } from '../faults/chaos-sockets.ts';
import type { Effect, Faults } from '../faults/faults.ts';
import type { CallLog } from '../iam/call-log.ts';
import { type AwsCaller, denialOf } from '../services/aws-front.ts';
import { readCredential } from '../services/aws-requests.ts';
import { ACCOUNT, LOCAL_REGION } from '../template/intrinsics.ts';
import {
  closeConnection,
  deliver,
  type GatewayConnection,
  type GatewayConnections,
  isGatewayId,
  MAX_SOCKET_MESSAGE_BYTES,
} from './open-connections.ts';
import { readBody } from './request-body.ts';
import type { SocketApi } from './websocket-plan.ts';

/** The parts of the stack that the API uses. */
export interface ConnectionsApiOptions {
  /** The API of the connections. */
  readonly api: SocketApi;
  /** The connections of all WebSocket APIs. */
  readonly connections: GatewayConnections;
  /** Access key whose calls are always allowed. */
  readonly adminKeyId: string;
  /** Returns the environment with that access key; undefined for a key that no environment has. */
  caller(accessKeyId: string): AwsCaller | undefined;
  /** Decides about calls, and records them. */
  readonly callLog: CallLog;
  /** The faults that tests have added. */
  readonly faults: Faults;
  /** Decides about the next post in chaos mode. */
  nextPost(): PostChaos;
  /** Takes each line about an error or a refusal. */
  readonly log: (line: string) => void;
}

interface Reply {
  readonly status: number;
  readonly type?: string;
  readonly body: string;
}

const ACTION = 'execute-api:ManageConnections';

/**
 * Highest number of bytes that are buffered for a client that does not read. AWS has such a limit, but does not document it. Eight
 * of the largest messages are enough for a burst, and so few that a test can fill the buffer.
 */
export const MAX_BUFFERED_BYTES = 8 * MAX_SOCKET_MESSAGE_BYTES;

const SENT: Reply = { status: 200, body: '' };
const DELETED: Reply = { status: 204, body: '' };
/** The answer of AWS has no body, too: https://github.com/georgeboot/laravel-echo-api-gateway/issues/9 */
const GONE: Reply = { status: 410, type: 'GoneException', body: '' };
const TOO_LARGE = failure(413, 'PayloadTooLargeException', 'Request Too Long');
const BUFFER_FULL = failure(429, 'LimitExceededException', 'The buffer of the client is full');
const TOO_MANY = failure(429, 'LimitExceededException', 'Too Many Requests');
const FAILED = failure(500, 'InternalServerException', 'Internal server error');
const NO_METHOD = failure(403, 'MissingAuthenticationTokenException', 'Missing Authentication Token');

function failure(status: number, type: string, message: string): Reply {
  return { status, type, body: JSON.stringify({ message }) };
}

/** Returns a function that answers requests below `/{stage}/@connections/`, and returns false for all others. */
export function createConnectionsApi(options: ConnectionsApiOptions) {
  const { stage } = options.api;
  const prefixes = [`/${stage}/@connections/`, `/${stage}/%40connections/`];
  return (request: IncomingMessage, response: ServerResponse): boolean => {
    const target = request.url ?? '/';
    const prefix = prefixes.find((start) => target.startsWith(start));
    if (prefix === undefined) return false;
    const id = decoded(target.slice(prefix.length));
    handle(options, request, id).then(
      (reply) => (reply === undefined ? request.socket.destroy() : send(response, reply)),
      (error: unknown) => {
        if (request.destroyed && !request.complete) return; // the process of the function ended while it sent the request
        options.log(`[socket] ${String(error)}`);
        send(response, FAILED);
      },
    );
    return true;
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // isGatewayId refuses it
  }
}

/** Returns the reply, or undefined if a fault resets the connection of the caller. */
async function handle(
  options: ConnectionsApiOptions,
  request: IncomingMessage,
  id: string,
): Promise<Reply | undefined> {
  const body = await readBody(request, MAX_SOCKET_MESSAGE_BYTES);
  const caller = callerOf(options, request);
  if (caller !== undefined && 'status' in caller) return caller;
  const method = request.method ?? 'GET';
  const run = () => execute(options, method, id, body);
  if (caller === undefined) return run();
  const arn = `arn:aws:execute-api:${LOCAL_REGION}:${ACCOUNT}:${options.api.id}/${options.api.stage}/${method}/@connections/${id}`;
  const denied = denialOf(options.callLog, caller, ACTION, arn);
  if (denied !== undefined) return failure(403, 'AccessDeniedException', denied);
  options.callLog.count(caller.plan, ACTION);
  return withFaults(options.faults, caller, arn, run);
}

const SIGNED = /\bSignedHeaders=([^,\s]+)/;

/** Returns the environment that has signed the request; a refusal if there is none; undefined for the admin key. */
function callerOf(options: ConnectionsApiOptions, request: IncomingMessage): AwsCaller | Reply | undefined {
  const { authorization = '', 'x-amz-date': date } = request.headers;
  const credential = readCredential(authorization);
  if (credential === undefined) return NO_METHOD;
  const signed = SIGNED.exec(authorization)?.[1]?.split(';') ?? [];
  if (typeof date !== 'string' || !signed.includes('x-amz-date') || !signed.includes('host')) {
    const message = 'The headers host and x-amz-date must be there and signed.';
    return failure(403, 'IncompleteSignatureException', message);
  }
  if (credential.service !== 'execute-api') {
    const message = `Credential should be scoped to correct service: 'execute-api', not '${credential.service}'.`;
    return failure(403, 'InvalidSignatureException', message);
  }
  if (credential.accessKeyId === options.adminKeyId) return undefined;
  const message = 'The security token included in the request is invalid.';
  return options.caller(credential.accessKeyId) ?? failure(403, 'UnrecognizedClientException', message);
}

async function withFaults(
  faults: Faults,
  caller: AwsCaller,
  arn: string,
  run: () => Reply,
): Promise<Reply | undefined> {
  const call = { action: ACTION, resources: [arn] };
  const before = faults.effectOn(caller.plan.path, 'before', call);
  const early = before === undefined ? 'unaffected' : await applyEffect(before, caller);
  if (early !== 'unaffected') return early;
  const reply = run();
  const after = faults.effectOn(caller.plan.path, 'after', call);
  const late = after === undefined ? 'unaffected' : await applyEffect(after, caller);
  return late === 'unaffected' ? reply : late;
}

async function applyEffect(effect: Effect, caller: AwsCaller): Promise<Reply | 'unaffected' | undefined> {
  if (effect.kind === 'reset') return undefined;
  if (effect.kind === 'error') return failure(effect.status, effect.type, effect.message);
  if (effect.kind === 'delay') {
    await new Promise((resolve) => setTimeout(resolve, effect.delayMs));
    return 'unaffected';
  }
  caller.kill();
  return undefined;
}

function execute(
  { api, connections, nextPost }: ConnectionsApiOptions,
  method: string,
  id: string,
  body: Buffer | undefined,
): Reply {
  if (!isGatewayId(id)) return failure(400, 'BadRequestException', `Invalid connectionId: ${id}`);
  const connection = connections.open(api.id, id);
  if (method === 'POST') return body === undefined ? TOO_LARGE : post(connection, body, nextPost());
  if (method !== 'GET' && method !== 'DELETE') return NO_METHOD;
  if (connection === undefined) return GONE;
  if (method === 'GET') return describe(connection);
  closeConnection(connection, 1000, 'Connection Closed Normally');
  return DELETED;
}

function post(connection: GatewayConnection | undefined, body: Buffer, chaos: PostChaos): Reply {
  if (chaos === 'throttled') return TOO_MANY;
  if (chaos === 'failed') return FAILED;
  if (connection?.socket === undefined) return GONE;
  if (connection.socket.bufferedAmount > MAX_BUFFERED_BYTES) return BUFFER_FULL;
  deliver(connection, body);
  return chaos === 'fine' ? SENT : FAILED;
}

function describe({ connectedAt, lastActiveAt, identity }: GatewayConnection): Reply {
  const shown = {
    connectedAt: new Date(connectedAt).toISOString(),
    identity,
    lastActiveAt: new Date(lastActiveAt).toISOString(),
  };
  return { status: 200, body: JSON.stringify(shown) };
}

function send(response: ServerResponse, { status, type, body }: Reply): void {
  const headers: Record<string, string | number> = {
    'x-amzn-requestid': randomUUID(),
    'content-length': Buffer.byteLength(body),
  };
  if (body !== '') headers['content-type'] = 'application/json';
  if (type !== undefined) headers['x-amzn-errortype'] = type;
  response.writeHead(status, headers).end(body);
}

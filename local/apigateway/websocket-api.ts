/**
 * API Gateway WebSocket API with Lambda proxy integrations: invokes functions for new connections, for their messages, and for
 * their end.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html
 * @module
 */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { wholeOutcome } from '../lambda/response.ts';
import type { Runtime } from '../lambda/runtime.ts';
import { type HttpListener, responseOn } from '../listener.ts';
import { watchFrames } from './frame-watch.ts';
import { sendMessage } from './http-event.ts';
import {
  closeConnection,
  deliver,
  type GatewayConnection,
  type GatewayConnections,
  MAX_FRAME_BYTES,
  MAX_SOCKET_MESSAGE_BYTES,
  newGatewayId,
  watchClock,
} from './open-connections.ts';
import {
  type ConnectionContext,
  connectEvent,
  disconnectEvent,
  messageEvent,
  readSocketAnswer,
  type SocketAnswer,
} from './websocket-event.ts';
import { isHandshake, subprotocolOf } from './websocket-handshake.ts';
import { routeOf, type SocketApi, type SocketRoute } from './websocket-plan.ts';

/** The parts of the stack that the API uses. */
export interface SocketApiOptions {
  /** The API to serve. */
  readonly api: SocketApi;
  /** Invokes functions. */
  readonly runtime: Runtime;
  /** The connections of all WebSocket APIs. */
  readonly connections: GatewayConnections;
  /** The number of times that connections age faster than on AWS. */
  readonly clockScale: number;
  /** Is called once for each connection. Returns true if its `$disconnect` gets lost. */
  losesDisconnect(): boolean;
  /** Takes each line about an error or a refusal. */
  readonly log: (session: string) => void;
}

interface Gateway extends SocketApiOptions {
  /** Upgrades the accepted connections. */
  readonly server: WebSocketServer;
  /** The subprotocol that a function has chosen for a request. */
  readonly subprotocols: WeakMap<IncomingMessage, string>;
  /** True if `$disconnect` is not invoked any more. */
  isClosed: boolean;
}

/** One connection and its gateway. */
interface Session {
  readonly gateway: Gateway;
  readonly source: ConnectionContext;
  readonly connection: GatewayConnection;
  readonly losesDisconnect: boolean;
}

/** @see https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html */
const MAX_URL_BYTES = 4_096;

/**
 * Messages of one connection that functions process at the same time. The others wait in the TCP connection. AWS documents no
 * such limit. Without it, one client that floods would make this machine start dozens of processes.
 */
const MAX_AT_A_TIME = 50;

/** Serves the upgrades of one API on its listener. Returns a function that closes all of its connections. */
export function serveSocketApi(listener: HttpListener, options: SocketApiOptions): () => Promise<void> {
  const subprotocols = new WeakMap<IncomingMessage, string>();
  // Without permessage-deflate: API Gateway does not offer it.
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_SOCKET_MESSAGE_BYTES,
    handleProtocols: () => false, // the answer has a subprotocol only if the function has chosen one
  });
  server.on('headers', (lines, request) => {
    const chosen = subprotocols.get(request);
    if (chosen !== undefined) lines.push(`Sec-WebSocket-Protocol: ${chosen}`);
  });
  const gateway: Gateway = { ...options, server, subprotocols, isClosed: false };
  listener.serveUpgrades((request, socket, head) => {
    const { url = '/' } = request;
    if (url.split('?', 1)[0] !== `/${options.api.stage}`) return refuse(request, socket, 403);
    if (url.length > MAX_URL_BYTES) return refuse(request, socket, 414);
    if (!isHandshake(request)) return refuse(request, socket, 400);
    if (!options.api.throttle('$connect')) return refuse(request, socket, 429);
    connect(gateway, request, socket, head).catch((error: unknown) => {
      options.log(`[socket] ${String(error)}`);
      socket.destroy();
    });
  });
  return async () => {
    await gateway.connections.end(options.api.id);
    gateway.isClosed = true;
  };
}

function refuse(request: IncomingMessage, socket: Socket, status: number, more: object = {}): void {
  const message = status >= 500 ? 'Internal server error' : (STATUS_CODES[status] ?? 'Refused');
  sendMessage(responseOn(request, socket), status, { message, ...more });
}

async function connect(gateway: Gateway, request: IncomingMessage, socket: Socket, head: Buffer) {
  const session = newSession(gateway, request, socket);
  const { connection } = session;
  gateway.connections.add(connection);
  const requestId = newGatewayId();
  try {
    const decision = await admit(session, requestId, request);
    if (typeof decision === 'number') {
      gateway.connections.remove(connection);
      return refuse(request, socket, decision, { connectionId: connection.id, requestId });
    }
    if (decision.subprotocol !== undefined) gateway.subprotocols.set(request, decision.subprotocol);
    gateway.server.handleUpgrade(request, socket, head, (upgraded) => open(session, upgraded));
  } finally {
    // The client has disconnected meanwhile. The function has accepted it, so it must get `$disconnect`.
    if (connection.socket === undefined) gateway.connections.remove(connection);
  }
  if (connection.socket === undefined) disconnect(session, 1006, '');
}

function newSession(gateway: Gateway, request: IncomingMessage, socket: Socket): Session {
  const { api } = gateway;
  const now = Date.now();
  const connection: GatewayConnection = {
    id: newGatewayId(),
    api,
    connectedAt: now,
    identity: {
      sourceIp: socket.remoteAddress ?? '127.0.0.1',
      userAgent: request.headers['user-agent'],
    },
    wire: socket,
    socket: undefined,
    lastActiveAt: now,
    closed: undefined,
  };
  const source = { connection, stage: api.stage, domainName: request.headers.host ?? '' };
  return { gateway, source, connection, losesDisconnect: gateway.losesDisconnect() };
}

/** Returns the subprotocol of an accepted connection, or the status of a refusal. */
async function admit(
  { gateway, source }: Session,
  requestId: string,
  request: IncomingMessage,
): Promise<{ subprotocol: string | undefined } | number> {
  const route = gateway.api.routes.get('$connect');
  if (route === undefined) return { subprotocol: undefined };
  const answer = await ask(gateway, route, connectEvent(source, requestId, request));
  if (answer === 'late') return 504;
  if (answer === 'failed') return 502;
  if (answer.status >= 200 && answer.status < 300) {
    const subprotocol = subprotocolOf(answer.headers);
    return subprotocol === 'invalid' ? 502 : { subprotocol };
  }
  return answer.status >= 400 ? answer.status : 502;
}

function open(session: Session, socket: WebSocket): void {
  const { gateway, connection } = session;
  connection.socket = socket;
  connection.lastActiveAt = Date.now();
  const close = (code: number, reason: string) => closeConnection(connection, code, reason);
  const frames = watchFrames(connection.wire, MAX_FRAME_BYTES, () => close(1009, 'Message too long'));
  const stopClock = watchClock(connection, gateway.clockScale);
  const take = someAtATime(socket, (message) =>
    receive(session, message).catch((error: unknown) => gateway.log(`[socket] ${String(error)}`)),
  );
  socket.on('message', (data, isBinary) => {
    if (!frames.admits() || socket.readyState !== socket.OPEN) return;
    if (isBinary) return close(1003, 'Binary is not supported');
    connection.lastActiveAt = Date.now();
    take(String(data));
  });
  socket.on('error', () => {}); // `ws` closes the connection itself, with the code of the error
  socket.on('close', (code, reason) => {
    stopClock();
    gateway.connections.remove(connection);
    const end = connection.closed ?? { code, reason: reason.toString() };
    disconnect(session, end.code, end.reason);
  });
}

/** Starts the work for messages in order, and pauses the connection while messages wait. */
function someAtATime(socket: WebSocket, work: (message: string) => Promise<void>): (message: string) => void {
  const waiting: string[] = [];
  let running = 0;
  function begin(): void {
    while (running < MAX_AT_A_TIME) {
      const message = waiting.shift();
      if (message === undefined) break;
      running += 1;
      void work(message).then(() => {
        running -= 1;
        begin();
      });
    }
    if (waiting.length > 0) socket.pause();
    else if (socket.isPaused) socket.resume();
  }
  return (message) => {
    waiting.push(message);
    begin();
  };
}

/**
 * Invokes the function for one message. Messages of one connection run in parallel, since AWS promises no order of the answers.
 * AWS documents that a throttled message is answered 429, but not the form of the answer. Here it is that of other errors.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-protect.html
 */
async function receive({ gateway, source, connection }: Session, message: string): Promise<void> {
  const requestId = newGatewayId();
  const complain = (text: string) => {
    const frame = { message: text, connectionId: connection.id, requestId };
    deliver(connection, Buffer.from(JSON.stringify(frame)));
  };
  const route = routeOf(gateway.api, message);
  if (route === undefined) return complain('Forbidden');
  if (!gateway.api.throttle(route.key)) return complain('Too Many Requests');
  const answer = await ask(gateway, route, messageEvent(source, requestId, route.key, message));
  if (answer === 'late') return complain('Endpoint request timed out');
  if (answer === 'failed') return complain('Internal server error');
  if (!route.answers || answer.body === undefined) return;
  const body = Buffer.from(answer.body);
  if (body.length <= MAX_SOCKET_MESSAGE_BYTES) return deliver(connection, body);
  gateway.log(`[socket] ${route.key} answered ${body.length} bytes; ${MAX_SOCKET_MESSAGE_BYTES} can be sent`);
  complain('Internal server error');
}

/** Invokes the function of `$disconnect`. The code 1005 means that the client has sent no code. */
function disconnect({ gateway, source, losesDisconnect }: Session, code: number, reason: string): void {
  const route = gateway.api.routes.get('$disconnect');
  if (route === undefined || losesDisconnect || gateway.isClosed || !gateway.api.throttle(route.key)) return;
  const text = code === 1005 ? 'Client-side close frame status not set' : reason;
  const event = disconnectEvent(source, newGatewayId(), code, text);
  ask(gateway, route, event).catch((error: unknown) => gateway.log(`[socket] ${String(error)}`));
}

async function ask(
  gateway: Gateway,
  route: SocketRoute,
  event: Buffer,
): Promise<SocketAnswer | 'failed' | 'late'> {
  const fail = (because: string) => {
    gateway.log(`[socket] ${route.key} ${because}`);
    return 'failed' as const;
  };
  if (!route.permitted) return fail(`has no permission to invoke ${route.functionArn}`);
  const outcome = await wholeOutcome(gateway.runtime.invoke(route.functionArn, event), route.timeoutMs);
  if (outcome === undefined) return 'late';
  if (outcome.kind === 'failure') return fail(`failed with ${outcome.type}: ${outcome.message}`);
  // The runtime logs it, once a second.
  if (outcome.kind === 'throttled') return 'failed';
  if (outcome.kind !== 'answer') return fail('answered with a stream');
  return readSocketAnswer(outcome.payload) ?? fail('returned no valid response: it needs a statusCode');
}

/**
 * The control endpoints of a running stack, for tests and developers: calls, grants, metrics, processes, runs, faults,
 * queues and connections.
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GatewayConnections } from './apigateway/open-connections.ts';
import type { Faults } from './faults/faults.ts';
import type { CallLog } from './iam/call-log.ts';
import type { Runtime } from './lambda/runtime.ts';
import type { Metrics } from './services/metric-lines.ts';
import type { Queues } from './services/queues.ts';
import { parseJson } from './template/json.ts';

/** The parts of the stack that the endpoints show or change. */
export interface Controlled {
  /** Part of the path of every request. Without it the answer is 403. */
  readonly secret: string;
  /** Decides about calls, and records them. */
  readonly callLog: CallLog;
  /** The faults that tests have added. */
  readonly faults: Faults;
  /** The metrics that functions have written. */
  readonly metrics: Metrics;
  /** Lists the processes of functions, and what they have run. */
  readonly runtime: Pick<Runtime, 'processes' | 'runs'>;
  /** Lists and redrives queues. */
  readonly queues: Queues;
  /** The connections of all WebSocket APIs. */
  readonly connections: GatewayConnections;
}

/**
 * Returns a function that answers the requests below `/_local/` of the AWS endpoint. Every program on this machine can reach
 * that port. Pages in a browser and webhooks of an app can reach it too, so the path must have the secret of this start.
 */
export function createControl(controlled: Controlled) {
  const { secret, callLog, faults, metrics, runtime, queues, connections } = controlled;
  const routes: Readonly<Record<string, (body: Buffer) => unknown>> = {
    'GET /calls': () => callLog.calls(),
    'DELETE /calls': () => callLog.forgetCalls(),
    'GET /grants': () => callLog.grants(),
    'GET /metrics': () => metrics.list(),
    'GET /processes': () => runtime.processes(),
    'GET /runs': () => runtime.runs(),
    'POST /faults': (body) => faults.add(parseJson(body.toString('utf8'))),
    'DELETE /faults': () => faults.clear(),
    'GET /connections': () => connections.list(),
    'DELETE /connections': () => connections.cut(),
    'GET /queues': () => queues.list(),
    'POST /queues/redrive': (body) => queues.redrive(parseJson(body.toString('utf8'))),
  };
  return (request: IncomingMessage, response: ServerResponse, body: Buffer): void => {
    const own = `/_local/${secret}/`;
    const key = `${request.method} ${request.url?.replace(own, '/')}`;
    const route = routes[key];
    if (!request.url?.startsWith(own)) {
      answer(response, 403, { message: 'the path must have the secret of this start' });
    } else if (route === undefined) {
      const message = `no ${key}; there are ${Object.keys(routes).join(', ')}`;
      answer(response, 404, { message });
    } else {
      void attempt(route, response, body);
    }
  };
}

async function attempt(
  route: (body: Buffer) => unknown,
  response: ServerResponse,
  body: Buffer,
): Promise<void> {
  try {
    const result = await route(body);
    answer(response, result === undefined ? 204 : 200, result);
  } catch (error) {
    answer(response, 400, { message: error instanceof Error ? error.message : String(error) });
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json' }).end(text);
}

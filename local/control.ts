/**
 * What tests and people ask of the running stack: records of calls and grants, metrics, faults, queues,
 * and connections.
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Connections } from './apigateway/open-connections.ts';
import type { Faults } from './faults/faults.ts';
import type { CallLog } from './iam/call-log.ts';
import type { Runtime } from './lambda/runtime.ts';
import type { Metrics } from './services/metric-lines.ts';
import type { Queues } from './services/queues.ts';
import { parseJson } from './template/json.ts';

export interface Controlled {
  /** A part of the path of every request. */
  readonly secret: string;
  readonly callLog: CallLog;
  readonly faults: Faults;
  readonly metrics: Metrics;
  readonly runtime: Pick<Runtime, 'processes'>;
  readonly queues: Queues;
  readonly connections: Connections;
}

/**
 * Answers the requests below `/_local/` of the AWS endpoint. Whatever runs on this machine reaches it, and so do pages in its
 * browsers and webhooks of the hub: only who was told the secret of this start is answered.
 */
export function createControl(controlled: Controlled) {
  const { secret, callLog, faults, metrics, runtime, queues, connections } = controlled;
  const routes: Readonly<Record<string, (body: Buffer) => unknown>> = {
    'GET /calls': () => callLog.calls(),
    'DELETE /calls': () => callLog.forgetCalls(),
    'GET /grants': () => callLog.grants(),
    'GET /metrics': () => metrics.list(),
    'GET /processes': () => runtime.processes(),
    'POST /faults': (body) => faults.add(parseJson(body.toString('utf8'))),
    'DELETE /faults': () => faults.clear(),
    'GET /connections': () => connections.list(),
    'DELETE /connections': () => connections.cut(),
    'GET /queues': () => queues.list(),
    'POST /queues/redrive': (body) => queues.redrive(parseJson(body.toString('utf8'))),
  };
  return (request: IncomingMessage, response: ServerResponse, body: Buffer): void => {
    const own = `/_local/${secret}/`;
    const asked = `${request.method} ${request.url?.replace(own, '/')}`;
    const route = routes[asked];
    if (!request.url?.startsWith(own)) {
      answer(response, 403, { message: 'only for who has the secret of this start' });
    } else if (route === undefined) {
      const message = `no ${asked}; there are ${Object.keys(routes).join(', ')}`;
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

/**
 * What tests and people ask of the running stack: records of calls and grants, metrics, faults, queues,
 * and connections.
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Connections } from './connections.ts';
import type { Faults } from './faults.ts';
import { parseJson } from './json.ts';
import type { Ledger } from './ledger.ts';
import type { Metrics } from './metrics.ts';
import type { Queues } from './queues.ts';
import type { Runtime } from './runtime.ts';

export interface Controlled {
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly metrics: Metrics;
  readonly runtime: Pick<Runtime, 'processes'>;
  readonly queues: Queues;
  readonly connections: Connections;
}

/** Answers the requests below `/_local/` of the AWS endpoint. */
export function createControl({ ledger, faults, metrics, runtime, queues, connections }: Controlled) {
  const routes: Readonly<Record<string, (body: Buffer) => unknown>> = {
    'GET /_local/calls': () => ledger.calls(),
    'DELETE /_local/calls': () => ledger.forgetCalls(),
    'GET /_local/grants': () => ledger.grants(),
    'GET /_local/metrics': () => metrics.list(),
    'GET /_local/processes': () => runtime.processes(),
    'POST /_local/faults': (body) => faults.add(parseJson(body.toString('utf8'))),
    'DELETE /_local/faults': () => faults.clear(),
    'GET /_local/connections': () => connections.list(),
    'DELETE /_local/connections': () => connections.cut(),
    'GET /_local/queues': () => queues.list(),
    'POST /_local/queues/redrive': (body) => queues.redrive(parseJson(body.toString('utf8'))),
  };
  return (request: IncomingMessage, response: ServerResponse, body: Buffer): void => {
    const route = routes[`${request.method} ${request.url}`];
    if (!isAdmin(request)) {
      answer(response, 403, { message: 'only for the machine itself, without credentials' });
    } else if (route === undefined) {
      const message = `no ${request.method} ${request.url}; there are ${Object.keys(routes).join(', ')}`;
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

/**
 * The port is loopback, but a web page in a browser on this machine can reach it too: it sends an Origin, or, after
 * DNS rebinding, a Host of its own. A function signs what it sends.
 */
function isAdmin({ headers }: IncomingMessage): boolean {
  const host = (headers.host ?? '').replace(/:\d+$/, '');
  const own = host === '127.0.0.1' || host === 'localhost';
  return own && headers.origin === undefined && headers.authorization === undefined;
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json' }).end(text);
}

/**
 * Serves a WebSocket API on its listener: upgrades at its stage, and `@connections` below it.
 * @module
 */

import type { Chaos } from '../faults/chaos.ts';
import { createSocketChaos } from '../faults/chaos-sockets.ts';
import type { Faults } from '../faults/faults.ts';
import type { CallLog } from '../iam/call-log.ts';
import type { Runtime } from '../lambda/runtime.ts';
import type { HttpListener } from '../listener.ts';
import type { Resolved } from '../template/assembly.ts';
import type { Plan } from '../template/plan.ts';
import { createConnectionsApi } from './connections-api.ts';
import { sendMessage } from './http-event.ts';
import type { GatewayConnections } from './open-connections.ts';
import { serveSocketApi } from './websocket-api.ts';
import { readSocketApi } from './websocket-plan.ts';

/** The parts of the stack that serve an API. */
export interface SocketsOptions {
  /** The resolved templates. */
  readonly plan: Plan;
  /** Invokes functions. */
  readonly runtime: Runtime;
  /** Decides about calls, and records them. */
  readonly callLog: CallLog;
  /** The faults that tests have added. */
  readonly faults: Faults;
  /** The connections of all WebSocket APIs. */
  readonly connections: GatewayConnections;
  /** The rates at which posts fail and `$disconnect` gets lost. */
  readonly chaos: Chaos;
  /** Access key that no policy is asked about. */
  readonly adminKeyId: string;
  /** Takes each line about an error or a refusal. */
  readonly log: (line: string) => void;
}

/** A WebSocket API that serves requests. */
export interface ServedSockets {
  /** Path of WebSocket URLs. */
  readonly path: string;
  /** Closes all connections. */
  close(): Promise<void>;
}

/**
 * Serves one API of the plan on its listener.
 * @throws Error with one sentence for an API that is not understood
 */
export function serveSockets(
  resource: Resolved,
  listener: HttpListener,
  options: SocketsOptions,
): ServedSockets {
  const { plan, runtime, connections, chaos, log } = options;
  const api = readSocketApi(resource, plan);
  const socketChaos = createSocketChaos(chaos);
  const { clockScale } = chaos;
  const answerConnections = createConnectionsApi({ ...options, api, caller: runtime.caller, ...socketChaos });
  listener.serve((request, response) => {
    if (!answerConnections(request, response)) sendMessage(response, 403, { message: 'Forbidden' });
  });
  const close = serveSocketApi(listener, { api, runtime, connections, clockScale, ...socketChaos, log });
  return { path: `/${api.stage}`, close };
}

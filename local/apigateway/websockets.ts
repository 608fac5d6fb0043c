/**
 * One WebSocket API on its listener: upgrades at its stage, and `@connections` below it.
 * @module
 */

import { createSocketChaos } from '../faults/chaos-sockets.ts';
import type { GatewayOptions } from '../gateways.ts';
import type { Listener } from '../listener.ts';
import type { Resolved } from '../template/plan.ts';
import { createConnectionsApi } from './connections-api.ts';
import { sendMessage } from './http-event.ts';
import { serveSocketApi } from './websocket-api.ts';
import { readSocketApi } from './websocket-plan.ts';

export interface ServedSockets {
  /** The path that upgrades. */
  readonly path: string;
  close(): Promise<void>;
}

/** Serves one API of the plan on a listener that already has its port. */
export function serveSockets(resource: Resolved, listener: Listener, options: GatewayOptions): ServedSockets {
  const { plan, runtime, connections, harsh, log } = options;
  const api = readSocketApi(resource, plan);
  const fates = createSocketChaos(harsh);
  const { clockScale } = harsh;
  const answerConnections = createConnectionsApi({ ...options, api, caller: runtime.caller, ...fates });
  listener.serve((request, response) => {
    if (!answerConnections(request, response)) sendMessage(response, 403, { message: 'Forbidden' });
  });
  const close = serveSocketApi(listener, { api, runtime, connections, clockScale, ...fates, log });
  return { path: `/${api.stage}`, close };
}

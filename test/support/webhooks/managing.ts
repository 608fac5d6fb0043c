/**
 * The dependencies of code that manages webhooks, in memory: a log, the stores, and a sealer that does not encrypt.
 * @module
 */
import type { DeliveryTask } from '../../../lambda/webhook/delivery/delivery-task.ts';
import type { Managing } from '../../../lambda/webhook/webhook-ports.ts';
import { type MemoryLog, memoryLog } from '../domain/memory-log.ts';
import { type MemoryWebhooks, memoryWebhooks } from './memory-webhooks.ts';

/** The dependencies, and views of what they did. */
export interface ManagingWorld {
  readonly log: MemoryLog;
  readonly stores: MemoryWebhooks;
  readonly managing: Managing;
  /** The endpoints for which a wake was sent. */
  readonly woken: string[];
  /** The tasks of an endpoint. */
  readonly tasks: (endpoint: string) => DeliveryTask[];
}

/** Returns new dependencies. @param more replacements of some of them */
export function managingWorld(more: Partial<Managing> = {}): ManagingWorld {
  const log = memoryLog();
  const stores = memoryWebhooks(() => log.hook);
  const woken: string[] = [];
  let secrets = 0;
  const { endpoints, deliveries, leases } = stores;
  const managing: Managing = {
    endpoints,
    deliveries,
    leases,
    log,
    clock: log.clock,
    newId: log.newId,
    wake: async (endpoint) => void woken.push(endpoint),
    sealer: {
      seal: async (endpoint, sealed) => JSON.stringify({ endpoint, sealed }),
      async open(endpoint, text) {
        const { endpoint: own, sealed } = JSON.parse(text);
        if (own !== endpoint) throw new Error('sealed for another endpoint');
        return sealed;
      },
      newSecret: () => `whsec_made${++secrets}`,
    },
    ...more,
  };
  return { log, stores, managing, woken, tasks: (endpoint) => [...stores.tasksOf(endpoint).values()] };
}

/**
 * What tests of webhooks share: a world in virtual time, views of it, and the dependencies of code that manages or serves
 * its endpoints.
 * @module
 */
import { expect } from 'vitest';
import type { Delivery, DeliveryStatus } from '../../../lambda/webhook/delivery/delivery.ts';
import type { DeliveryTask } from '../../../lambda/webhook/delivery/delivery-task.ts';
import { ownerMemory } from '../../../lambda/webhook/delivery/owner-memory.ts';
import type { Endpoint } from '../../../lambda/webhook/endpoint.ts';
import type { Delivering, Dispatching, Managing } from '../../../lambda/webhook/webhook-ports.ts';
import { seededRandom } from '../domain/random.ts';
import { managingWorld } from './managing.ts';
import { readAheadOf } from './memory-webhooks.ts';
import { type Received, type WebhookWorld, type WebhookWorldOptions, webhookWorld } from './webhook-world.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Runs the work in a new world, until the work is done. */
export async function inWorld(
  work: (w: WebhookWorld) => Promise<void>,
  more: Omit<WebhookWorldOptions, 'random'> = {},
): Promise<void> {
  const w = webhookWorld({ random: seededRandom(7), ...more });
  await w.time.until(work(w));
}

/** The requests that arrived at a URL. */
export const at = (w: WebhookWorld, url: string): Received[] =>
  w.received.filter((request) => request.url === url);

/** The messages that arrived at a URL, in the order of their arrival. */
export const messagesAt = (w: WebhookWorld, url: string): unknown[] =>
  at(w, url).map(({ body }) => JSON.parse(body).data);

/** Returns the numbers from 0 to `count - 1`. */
export const numbers = (count: number): number[] => Array.from({ length: count }, (_, nth) => nth);

/** The statuses of an endpoint's deliveries. */
export const statuses = (w: WebhookWorld, id: string): DeliveryStatus[] =>
  w.listed(id).map(({ status }) => status);

/** The status or the error of each attempt. */
export const ends = ({ attempts }: Delivery): unknown[] =>
  attempts.map(({ status, error }) => status ?? error);

/** Returns the endpoint as it is now. @throws Error if it was removed */
export async function present({ endpoints }: WebhookWorld, { id }: Endpoint): Promise<Endpoint> {
  const endpoint = await endpoints.get(id);
  if (!endpoint) throw new Error(`${id} was removed`);
  return endpoint;
}

/** Replaces an endpoint's row by a version with other attributes. */
export async function changeRow(w: WebhookWorld, endpoint: Endpoint, to: Partial<Endpoint>): Promise<void> {
  const now = await present(w, endpoint);
  expect(await w.endpoints.replace({ ...now, ...to, version: now.version + 1 })).toBe(true);
}

type NewTask<T = DeliveryTask> = T extends DeliveryTask ? Omit<T, 'id' | 'due'> : never;

/** Returns a task that is due now. */
export const taskNow = (w: WebhookWorld, task: NewTask): DeliveryTask => ({
  ...task,
  id: `asked-${w.time.now()}`,
  due: w.log.now,
});

/** Returns the dependencies of code that manages the world's endpoints. */
export function managingOf(w: WebhookWorld, more: Partial<Managing> = {}): Managing {
  const { endpoints, deliveries, leases, log } = w;
  const clock = () => log.now;
  return managingWorld({
    endpoints,
    deliveries,
    leases,
    log: { ...log, clock },
    clock,
    newId: log.newId,
    wake: async (endpoint) => w.wake(endpoint),
    ...more,
  }).managing;
}

/** Returns the dependencies of a process that serves an endpoint and must not send anything. */
export function deliveringOf(w: WebhookWorld, more: Partial<Delivering> = {}): Delivering {
  const unexpected = async (): Promise<never> => {
    throw new Error('nothing may be sent here');
  };
  return {
    ...managingOf(w),
    readAhead: readAheadOf(w.log, w.endpoints),
    sender: { post: unexpected, askHandshake: unexpected },
    timer: w.time,
    random: () => 0.5,
    deadLetter: unexpected,
    notify: unexpected,
    origin: 'hub.example.com',
    ...more,
  };
}

/** Returns the dependencies of a process of dispatch, which sends its wakes to the world. */
export function dispatchingOf(w: WebhookWorld, more: Partial<Dispatching> = {}): Dispatching {
  return {
    ...managingOf(w),
    cursors: w.cursors,
    owners: ownerMemory(),
    wake: async (endpoint, tasks) => w.wake(endpoint, tasks),
    lookAgain: async () => {},
    ...more,
  };
}

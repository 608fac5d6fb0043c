/**
 * What tests of webhooks in trouble share: a world of their own in virtual time, and whoever manages and serves its
 * endpoints by hand.
 * @module
 */
import type { Delivery, DeliveryStatus } from '../../../lambda/webhook/delivery/delivery.ts';
import type { Endpoint } from '../../../lambda/webhook/endpoint.ts';
import type { Delivering, Managing } from '../../../lambda/webhook/webhook-ports.ts';
import { seededRandom } from '../domain/random.ts';
import { managingWorld } from './managing.ts';
import { type Received, type WebhookWorld, type WebhookWorldOptions, webhookWorld } from './webhook-world.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Has a world live until the work in it is done. */
export async function inWorld(
  work: (w: WebhookWorld) => Promise<void>,
  more: Omit<WebhookWorldOptions, 'random'> = {},
): Promise<void> {
  const w = webhookWorld({ random: seededRandom(7), ...more });
  await w.time.until(work(w));
}

export const at = (w: WebhookWorld, url: string): Received[] =>
  w.received.filter((request) => request.url === url);

/** What the messages say that arrived at a URL, in that order. */
export const saidTo = (w: WebhookWorld, url: string): unknown[] =>
  at(w, url).map(({ body }) => JSON.parse(body).data);

export const numbers = (count: number): number[] => Array.from({ length: count }, (_, nth) => nth);

export const statuses = (w: WebhookWorld, id: string): DeliveryStatus[] =>
  w.listed(id).map(({ status }) => status);

/** How each attempt ended, by its status or error. */
export const ends = ({ attempts }: Delivery): unknown[] =>
  attempts.map(({ status, error }) => status ?? error);

/** The endpoint as it is now. */
export async function present({ endpoints }: WebhookWorld, { id }: Endpoint): Promise<Endpoint> {
  const endpoint = await endpoints.get(id);
  if (!endpoint) throw new Error(`${id} was removed`);
  return endpoint;
}

/** What the door of the world has. */
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

/** What a process has that serves an endpoint to which nothing is to be sent. */
export function deliveringOf(w: WebhookWorld, more: Partial<Delivering> = {}): Delivering {
  const unexpected = async (): Promise<never> => {
    throw new Error('nothing was to be sent');
  };
  return {
    ...managingOf(w),
    sender: { post: unexpected, askHandshake: unexpected },
    timer: w.time,
    random: () => 0.5,
    deadLetter: unexpected,
    notify: unexpected,
    origin: 'hub.example.com',
    ...more,
  };
}

/**
 * From endpoints and deliveries to what their owners see of them (PROTOCOL.md §13.1, §13.5). Members are named one by
 * one: whatever is added to a row stays inside until somebody decides otherwise.
 * @module
 */
import { formatOffset } from '../../../protocol/offset.ts';
import type { Attempt, Delivery } from '../../webhook/delivery/delivery.ts';
import type { Endpoint } from '../../webhook/endpoint.ts';
import type { Health } from '../../webhook/webhook-stores.ts';

const iso = (time: number): string => new Date(time).toISOString();

/** An endpoint and how it is doing; of one that is new there is nothing to say. */
export interface Shown {
  readonly endpoint: Endpoint;
  readonly health?: Health;
}

/** Without its secrets, sealed or not, and without who else has to do with it. */
function publicEndpoint({ endpoint, health }: Shown): object {
  const { id, url, channels, types, format, rate, handshake, description } = endpoint;
  const { status, reason, createdAt } = endpoint;
  // What is undefined is no member of JSON.
  return {
    id,
    url,
    channels,
    types,
    format,
    rate,
    handshake,
    description,
    status,
    reason,
    createdAt: iso(createdAt),
    failingSince: health?.failingSince === undefined ? undefined : iso(health.failingSince),
  };
}

function publicDelivery(delivery: Delivery): object {
  const { id, kind, channel, position, to, time, status, attempts, due } = delivery;
  return {
    id,
    kind: kind === 'message' ? undefined : kind,
    channel,
    offset: formatOffset(position),
    to,
    publishedAt: iso(time),
    status,
    attempts: attempts.map(publicAttempt),
    due: due === undefined ? undefined : iso(due),
  };
}

const publicAttempt = ({ number, at, ms, status, error, answer }: Attempt): object => ({
  number,
  at: iso(at),
  ms,
  status,
  error,
  answer,
});

export const answerEndpoint = (shown: Shown): Response => Response.json(publicEndpoint(shown));

export const answerEndpoints = (shown: readonly Shown[], next: string | undefined): Response =>
  Response.json({ endpoints: shown.map(publicEndpoint), next });

/** This and the next are the only answers with a secret. */
export const answerRotated = (shown: Shown, secret: string): Response =>
  Response.json({ ...publicEndpoint(shown), secret });

export function answerCreatedEndpoint(shown: Shown, secret: string, raw: Request): Response {
  const { origin, pathname } = new URL(raw.url);
  const headers = { Location: `${origin}${pathname}/${shown.endpoint.id}` };
  return Response.json({ ...publicEndpoint(shown), secret }, { status: 201, headers });
}

export const answerDelivery = (delivery: Delivery): Response => Response.json(publicDelivery(delivery));

export const answerDeliveries = (deliveries: readonly Delivery[], next: string | undefined): Response =>
  Response.json({ deliveries: deliveries.map(publicDelivery), next });

/** It will be done. With the id of the delivery that it will be, if it is one. */
export const answerAccepted = (delivery?: string): Response =>
  delivery === undefined ? new Response(null, { status: 202 }) : Response.json({ delivery }, { status: 202 });

export const answerGone = (): Response => new Response(null, { status: 204 });

/**
 * Makes the answers about endpoints and deliveries (PROTOCOL.md §13.1, §13.5). Each member of an answer is named here, so that a
 * new attribute of a row does not become public by accident.
 * @module
 */
import { formatOffset } from '../../../protocol/offset.ts';
import type { Attempt, Delivery } from '../../webhook/delivery/delivery.ts';
import type { Endpoint } from '../../webhook/endpoint.ts';
import type { Health } from '../../webhook/webhook-stores.ts';

const iso = (time: number): string => new Date(time).toISOString();

/** An endpoint and its health. A new endpoint has no health yet. */
export interface EndpointView {
  /** The endpoint with its secrets, which no answer shows. */
  readonly endpoint: Endpoint;
  /** Undefined for a new endpoint. */
  readonly health?: Health;
  /** Time until which the hub sends nothing, because the circuit breaker or the endpoint asks for a pause. Undefined for no pause. */
  readonly pausedUntil?: number | undefined;
}

/** Returns the public members. Secrets, sealed or not, and the principal stay inside. */
function publicEndpoint({ endpoint, health, pausedUntil }: EndpointView): object {
  const { id, url, channels, types, format, rate, handshake, description } = endpoint;
  const { status, reason, createdAt } = endpoint;
  // JSON leaves undefined members out.
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
    pausedUntil: pausedUntil === undefined ? undefined : iso(pausedUntil),
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

/** Returns one endpoint. */
export const answerEndpoint = (view: EndpointView): Response => Response.json(publicEndpoint(view));

/** Returns a page of endpoints. @param next the id to continue after; undefined on the last page */
export const answerEndpoints = (views: readonly EndpointView[], next: string | undefined): Response =>
  Response.json({ endpoints: views.map(publicEndpoint), next });

/** Returns an endpoint with its new secret. Only this answer and the one about a new endpoint have a secret. */
export const answerRotated = (view: EndpointView, secret: string): Response =>
  Response.json({ ...publicEndpoint(view), secret });

/** Returns 201 with a new endpoint, its address and its secret. */
export function answerCreatedEndpoint(view: EndpointView, secret: string, raw: Request): Response {
  const { origin, pathname } = new URL(raw.url);
  const headers = { Location: `${origin}${pathname}/${view.endpoint.id}` };
  return Response.json({ ...publicEndpoint(view), secret }, { status: 201, headers });
}

/** Returns one delivery. */
export const answerDelivery = (delivery: Delivery): Response => Response.json(publicDelivery(delivery));

/** Returns a page of deliveries. @param next the id to continue after; undefined on the last page */
export const answerDeliveries = (deliveries: readonly Delivery[], next: string | undefined): Response =>
  Response.json({ deliveries: deliveries.map(publicDelivery), next });

/** Returns 202: the hub will carry out the request. @param delivery id of the delivery that the request causes, if it causes one */
export const answerAccepted = (delivery?: string): Response =>
  delivery === undefined ? new Response(null, { status: 202 }) : Response.json({ delivery }, { status: 202 });

/** Returns 204: the endpoint is deleted. */
export const answerDeleted = (): Response => new Response(null, { status: 204 });

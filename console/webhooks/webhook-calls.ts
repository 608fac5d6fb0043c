/**
 * The requests of the webhooks page (PROTOCOL.md §13).
 * @module
 */
import { isRecord } from '../../client/errors.ts';
import { list, type Page, textOf, textsOf } from '../listed.ts';
import { request } from '../session.ts';

/** An endpoint. */
export interface ShownEndpoint {
  readonly id: string;
  readonly url: string;
  readonly channels: readonly string[];
  readonly types: readonly string[];
  readonly format: string;
  readonly description: string;
  /** Deliveries a minute. Undefined without a limit. */
  readonly rate: number | undefined;
  /** `enabled`, `disabled` or `pending`. */
  readonly status: string;
  /** Why it is disabled, or empty. */
  readonly reason: string;
  readonly failingSince: string;
  /** Until when the hub sends nothing, because the circuit is open, or the endpoint asked for a pause. Empty for no pause. */
  readonly pausedUntil: string;
}

/** An attempt of a delivery. */
export interface ShownAttempt {
  readonly number: number;
  readonly at: string;
  readonly ms: number;
  /** The status of the answer, or the error. */
  readonly outcome: string;
  /** The beginning of the answer. */
  readonly answer: string;
}

/** A delivery. */
export interface ShownDelivery {
  readonly id: string;
  readonly channel: string;
  readonly offset: string;
  readonly publishedAt: string;
  readonly status: string;
  /** When the next attempt is due, or empty. */
  readonly due: string;
  readonly kind: string;
  readonly attempts: readonly ShownAttempt[];
}

/** Returns a page of the endpoints that the token may see. */
export async function listEndpoints(token: string, after?: string): Promise<Page<ShownEndpoint>> {
  return await list(token, '/webhooks', 'endpoints', endpointOf, { after });
}

/** Returns an endpoint, in a list that is empty if the hub does not answer with one. */
export const readEndpoint = async (token: string, id: string): Promise<ShownEndpoint[]> =>
  endpointOf(await answerOf(token, `/webhooks/${id}`, 'GET'));

/** Returns a page of the deliveries of an endpoint, the latest published first. @param status empty for all */
export async function listDeliveries(
  token: string,
  id: string,
  status: string,
  after?: string,
): Promise<Page<ShownDelivery>> {
  return await list(token, `/webhooks/${id}/deliveries`, 'deliveries', deliveryOf, { after, status });
}

/** Creates an endpoint. Returns it with its secret, which the hub shows only here. */
export async function createEndpoint(
  token: string,
  url: string,
  channels: readonly string[],
): Promise<{ readonly endpoint: ShownEndpoint | undefined; readonly secret: string }> {
  return withSecret(await answerOf(token, '/webhooks', 'POST', { url, channels }));
}

/** Gives the endpoint a new secret, and returns it. */
export async function rotateSecret(token: string, id: string): Promise<string> {
  return withSecret(await answerOf(token, `/webhooks/${id}/rotate`, 'POST')).secret;
}

/** Requests about an endpoint that answer nothing that the page shows. */
export const endpointRequests = {
  enable: (token: string, id: string) => request(token, `/webhooks/${id}/enable`, { method: 'POST' }),
  disable: (token: string, id: string) =>
    request(token, `/webhooks/${id}`, { method: 'PATCH', body: { enabled: false } }),
  handshake: (token: string, id: string) => request(token, `/webhooks/${id}/handshake`, { method: 'POST' }),
  test: (token: string, id: string) => request(token, `/webhooks/${id}/test`, { method: 'POST' }),
  remove: (token: string, id: string) => request(token, `/webhooks/${id}`, { method: 'DELETE' }),
} as const;

/** Sends one delivery again, now. */
export const retryDelivery = (token: string, id: string, delivery: string) =>
  request(token, `/webhooks/${id}/deliveries/${delivery}/retry`, { method: 'POST' });

/** Sends everything of a channel from an offset on again. */
export const replay = (token: string, id: string, channel: string, offset: string) =>
  request(token, `/webhooks/${id}/replay`, { method: 'POST', body: { channel, offset } });

/** Sends what failed or was skipped, of the messages that were published since a time. */
export const recover = (token: string, id: string, since: string) =>
  request(token, `/webhooks/${id}/recover`, { method: 'POST', body: { since } });

async function answerOf(token: string, path: string, method: string, body?: unknown): Promise<unknown> {
  return await (await request(token, path, { method, body })).json();
}

function withSecret(answer: unknown) {
  return { endpoint: endpointOf(answer)[0], secret: isRecord(answer) ? textOf(answer.secret) : '' };
}

function endpointOf(row: unknown): ShownEndpoint[] {
  if (!isRecord(row) || typeof row.id !== 'string') return [];
  return [
    {
      id: row.id,
      url: textOf(row.url),
      channels: textsOf(row.channels),
      types: textsOf(row.types),
      format: textOf(row.format),
      description: textOf(row.description),
      rate: typeof row.rate === 'number' ? row.rate : undefined,
      status: textOf(row.status),
      reason: textOf(row.reason),
      failingSince: textOf(row.failingSince),
      pausedUntil: textOf(row.pausedUntil),
    },
  ];
}

function deliveryOf(row: unknown): ShownDelivery[] {
  if (!isRecord(row) || typeof row.id !== 'string') return [];
  const attempts = Array.isArray(row.attempts) ? row.attempts.filter(isRecord) : [];
  return [
    {
      id: row.id,
      channel: textOf(row.channel),
      offset: textOf(row.offset),
      publishedAt: textOf(row.publishedAt),
      status: textOf(row.status),
      due: textOf(row.due),
      kind: textOf(row.kind),
      attempts: attempts.map(({ number, at, ms, status, error, answer }) => ({
        number: Number(number),
        at: textOf(at),
        ms: Number(ms),
        outcome: typeof status === 'number' ? String(status) : textOf(error),
        answer: textOf(answer),
      })),
    },
  ];
}

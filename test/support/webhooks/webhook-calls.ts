/**
 * Calls the API of webhooks over HTTP as their owners do, and reads the outcomes of deliveries.
 * @module
 */
import { expect } from 'vitest';
import { type Fields, fieldsOf } from '../../../protocol/fields.ts';
import { type Caller, throughBusy } from '../wire/wire.ts';

/**
 * True for the local stack. The receivers of these tests are on this machine, which a deployed hub does not call. So tests
 * that need a receiver run only against the local stack.
 */
export const isHubLocal = process.env.HUB_STAGE === undefined;

/** The context of a hub that allows more requests per second than the default. */
export const UNTHROTTLED = { 'tidings:requestsPerSecond': 10_000 };

/** An answer of the API. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as an object; empty if it is not JSON. */
  readonly body: Fields;
  /** The code of a refusal. */
  readonly code: unknown;
}

/** A new endpoint. */
export interface CreatedEndpoint {
  readonly id: string;
  readonly secret: string;
}

/** The calls of one caller. */
export type WebhookCaller = ReturnType<typeof webhooksOf>;

/** Returns the calls of one caller. */
export function webhooksOf(hub: Caller) {
  const made: string[] = [];
  /**
   * Sends a request. Reads again what a busy store refuses.
   * @param path below /webhooks
   * @param body sent as it is if it is text
   */
  const ask = async (method: string, path: string, body?: unknown): Promise<ApiAnswer> => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const init = { method, ...(text === undefined ? {} : { body: text }) };
    const send = () => hub.request(`/webhooks${path}`, init);
    const response = method === 'GET' ? await throughBusy(send) : await send();
    const { status, headers } = response;
    const answer = await response.text();
    const parsed = answer.startsWith('{') ? fieldsOf(JSON.parse(answer)) : {};
    return { status, headers, text: answer, body: parsed, code: fieldsOf(parsed.error).code };
  };
  const deliveries = async (id: string, query = ''): Promise<readonly Fields[]> => {
    const { body } = await ask('GET', `/${id}/deliveries${query}`);
    if (!Array.isArray(body.deliveries)) throw new Error(`no deliveries: ${JSON.stringify(body)}`);
    return body.deliveries.map(fieldsOf);
  };
  /** All deliveries of an endpoint, the latest published first. */
  const everyDelivery = async (id: string): Promise<readonly Fields[]> => {
    const all: Fields[] = [];
    for (let query = '?limit=100'; ; ) {
      const { body } = await ask('GET', `/${id}/deliveries${query}`);
      if (Array.isArray(body.deliveries)) all.push(...body.deliveries.map(fieldsOf));
      if (body.next === undefined) return all;
      query = `?limit=100&after=${body.next}`;
    }
  };
  return {
    ask,
    deliveries,
    /** The first hundred endpoints that the caller may see. */
    async endpoints(): Promise<readonly Fields[]> {
      const { body } = await ask('GET', '?limit=100');
      return Array.isArray(body.endpoints) ? body.endpoints.map(fieldsOf) : [];
    },
    refusal: async (...request: Parameters<typeof ask>): Promise<[number, unknown]> => {
      const { status, code } = await ask(...request);
      return [status, code];
    },
    async create(url: string, channels: readonly string[], more: object = {}): Promise<CreatedEndpoint> {
      const { status, text, body } = await ask('POST', '', { url, channels, ...more });
      expect(status, text).toBe(201);
      made.push(String(body.id));
      return { id: String(body.id), secret: String(body.secret) };
    },
    everyDelivery,
    /** The status of each delivery of an endpoint, the latest published first. */
    async statuses(id: string): Promise<readonly unknown[]> {
      return (await everyDelivery(id)).map(({ status }) => status);
    },
    /** Waits until the delivery has the status, and returns it. */
    async settled(id: string, delivery: string, status: string): Promise<Fields> {
      const read = async () => (await ask('GET', `/${id}/deliveries/${delivery}`)).body;
      await expect.poll(read).toMatchObject({ id: delivery, status });
      return await read();
    },
    /** The notices about an endpoint. */
    async notices(id: string): Promise<readonly Fields[]> {
      const { messages } = await hub.readAll('tidings/webhooks');
      return messages.map(fieldsOf).filter(({ endpoint }) => endpoint === id);
    },
    /** Removes the endpoints that were created here. */
    async removeAll(): Promise<void> {
      for (const id of made) await ask('DELETE', `/${id}`);
    },
  };
}

/** The attempts of a delivery, each with its number. */
export const attemptsOf = ({ attempts }: Fields): readonly Fields[] =>
  Array.isArray(attempts) ? attempts.map(fieldsOf) : [];

/**
 * Managing webhooks over HTTP as their owners do, and looking at what came of deliveries.
 * @module
 */
import { expect } from 'vitest';
import { type Fields, fieldsOf } from '../../../protocol/fields.ts';
import type { Caller } from '../wire/wire.ts';

/**
 * Receivers of these tests are on this machine. A deployed hub calls nobody here, so what needs a receiver runs against
 * the local stack alone.
 */
export const isHubLocal = process.env.HUB_STAGE === undefined;

/** Context of a hub that is asked of webhooks more often in a second than anybody has reason to. */
export const UNTHROTTLED = { 'tidings:requestsPerSecond': 10_000 };

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Empty if the answer is no object. */
  readonly body: Fields;
  /** Of a refusal. */
  readonly code: unknown;
}

export interface CreatedEndpoint {
  readonly id: string;
  readonly secret: string;
}

export type WebhookCaller = ReturnType<typeof webhooksOf>;

export function webhooksOf(hub: Caller) {
  const made: string[] = [];
  /** @param path below /webhooks. A body that is text is sent as it is. */
  const ask = async (method: string, path: string, body?: unknown): Promise<ApiAnswer> => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const init = { method, ...(text === undefined ? {} : { body: text }) };
    const response = await hub.request(`/webhooks${path}`, init);
    const { status, headers } = response;
    const said = await response.text();
    const parsed = said.startsWith('{') ? fieldsOf(JSON.parse(said)) : {};
    return { status, headers, text: said, body: parsed, code: fieldsOf(parsed.error).code };
  };
  const deliveries = async (id: string, query = ''): Promise<readonly Fields[]> => {
    const { body } = await ask('GET', `/${id}/deliveries${query}`);
    if (!Array.isArray(body.deliveries)) throw new Error(`no deliveries: ${JSON.stringify(body)}`);
    return body.deliveries.map(fieldsOf);
  };
  return {
    ask,
    deliveries,
    /** The first hundred that the caller sees. */
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
    /** All of them, page by page, the latest published first. */
    async everyDelivery(id: string): Promise<readonly Fields[]> {
      const all: Fields[] = [];
      for (let query = '?limit=100'; ; ) {
        const { body } = await ask('GET', `/${id}/deliveries${query}`);
        if (Array.isArray(body.deliveries)) all.push(...body.deliveries.map(fieldsOf));
        if (body.next === undefined) return all;
        query = `?limit=100&after=${body.next}`;
      }
    },
    /** The delivery, once it has that status. */
    async settled(id: string, delivery: string, status: string): Promise<Fields> {
      const read = async () => (await ask('GET', `/${id}/deliveries/${delivery}`)).body;
      await expect.poll(read, { timeout: 15_000 }).toMatchObject({ id: delivery, status });
      return await read();
    },
    /** What was told of an endpoint, on the hub's own channel. */
    async notices(id: string): Promise<readonly Fields[]> {
      const { messages } = await hub.readAll('tidings/webhooks');
      return messages.map(fieldsOf).filter(({ endpoint }) => endpoint === id);
    },
    /** Removes what was created here. */
    async removeAll(): Promise<void> {
      for (const id of made) await ask('DELETE', `/${id}`);
    },
  };
}

/** The attempts of a delivery, each with its number. */
export const attemptsOf = ({ attempts }: Fields): readonly Fields[] =>
  Array.isArray(attempts) ? attempts.map(fieldsOf) : [];

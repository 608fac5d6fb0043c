/**
 * The webhooks handler with stores in memory, and callers whose requests look as API Gateway sends them.
 * @module
 */
import { SignJWT } from 'jose';
import { expect } from 'vitest';
import { parseOrigins } from '../../../lambda/access/origins.ts';
import { accessTo } from '../../../lambda/access/verify.ts';
import { httpHandler } from '../../../lambda/http/http-handler.ts';
import { webhookRoutes } from '../../../lambda/http/webhooks/webhook-routes.ts';
import type { Endpoint } from '../../../lambda/webhook/endpoint.ts';
import { secretSealer } from '../../../lambda/webhook/outbound/sealed-secret.ts';
import { isSecret } from '../../../lambda/webhook/outbound/standard-webhooks.ts';
import { parseTarget } from '../../../lambda/webhook/outbound/target.ts';
import type { Capability } from '../../../protocol/capability.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { type ManagingWorld, managingWorld } from './managing.ts';

const KEY = Buffer.alloc(64, 'k');
const NOW = Date.UTC(2020, 0, 1);
/** The host by which requests call the hub. */
export const HUB_HOST = 'hub.example.com';
/** The URL of new endpoints. */
export const RECEIVER = 'https://receiver.example.com/hooks';

async function bearer(capability: Capability, sub = 'someone'): Promise<Record<string, string>> {
  const token = new SignJWT({ capability, sub }).setProtectedHeader({ alg: 'HS256' });
  const text = await token
    .setAudience('a')
    .setExpirationTime(NOW / 1_000 + 600)
    .sign(KEY);
  return { authorization: `Bearer ${text}` };
}

/** Callers, by the headers that they send. */
export const callers = {
  owner: await bearer({ 'orders/*': ['webhook'] }),
  admin: await bearer({ '*': ['webhook'] }, 'another'),
  /** Has the right to one of the channels, and all rights but `webhook` on all of them. */
  stranger: await bearer({ 'orders/1': ['webhook'], '*': ['publish', 'subscribe', 'manage'] }),
  reader: await bearer({ '*': ['subscribe'] }),
  anonymous: {},
};

/** An answer of the handler. */
export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly code: unknown;
}

type Request = [method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>];

/** The handler, its stores, and its calls. */
export interface HandlerWorld extends ManagingWorld {
  /** The errors that the handler logged. */
  readonly defects: unknown[];
  /** Sends a request, by default of the owner. A body that is text is sent as it is. */
  readonly ask: (...request: Request) => Promise<Answered>;
  /** Sends a request. Returns the status and the code of the refusal. */
  readonly refusal: (...request: Request) => Promise<[number, unknown]>;
  /** Creates an endpoint of the owner. Returns its id. */
  readonly created: (more?: object) => Promise<string>;
  /** Returns the endpoint as it is stored. */
  readonly stored: (id: string) => Promise<Endpoint>;
}

/** Returns a new handler. @param anonymous the rights of callers without a token */
export function handlerWorld(anonymous: Capability = {}): HandlerWorld {
  const world = managingWorld({ sealer: secretSealer(async () => [KEY]) });
  const defects: unknown[] = [];
  const routes = webhookRoutes({
    access: accessTo({ keys: async () => [KEY], audience: 'a', anonymous, clock: () => NOW }),
    origins: parseOrigins('*'),
    logDefect: (error) => void defects.push(error),
    logRefusal: () => {},
    managing: world.managing,
    isSecret,
    checkUrl: (url, requestHost) =>
      parseTarget(url, { isInsecureAllowed: false, ownHosts: [requestHost] }).href,
  });
  const handler = httpHandler(routes);
  const ask = async (...[method, path, body, headers = callers.owner]: Request): Promise<Answered> => {
    const [rawPath, rawQueryString = ''] = path.split('?');
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const result = await handler({
      version: '2.0',
      rawPath,
      rawQueryString,
      headers: { host: HUB_HOST, ...headers },
      body: text,
      isBase64Encoded: false,
      requestContext: { domainName: 'gateway.example.com', http: { method } },
    });
    expect(result.headers['cache-control']).toBe('no-store');
    expect(result.headers['access-control-allow-origin']).toBe('*');
    expect(result.headers['x-content-type-options']).toBe('nosniff');
    const fields = fieldsOf(result.body === '' ? {} : JSON.parse(result.body));
    const { statusCode: status, headers: sent, body: all } = result;
    return { status, headers: sent, text: all, body: fields, code: fieldsOf(fields.error).code };
  };
  return {
    ...world,
    defects,
    ask,
    async refusal(...request) {
      const { status, code } = await ask(...request);
      return [status, code];
    },
    async created(more = {}) {
      const { status, body } = await ask('POST', '/webhooks', {
        url: RECEIVER,
        channels: ['orders/*'],
        ...more,
      });
      expect(status).toBe(201);
      return String(body.id);
    },
    async stored(id) {
      const endpoint = await world.stores.endpoints.get(id);
      if (!endpoint) throw new Error(`no endpoint ${id}`);
      return endpoint;
    },
  };
}

/** All requests about one endpoint: the method, the path below it, and a valid body. */
export const ENDPOINT_ROUTES: readonly (readonly [string, string, object | undefined])[] = [
  ['GET', '', undefined],
  ['PATCH', '', {}],
  ['DELETE', '', undefined],
  ['POST', '/enable', undefined],
  ['POST', '/rotate', undefined],
  ['POST', '/test', undefined],
  ['POST', '/handshake', undefined],
  ['GET', '/deliveries', undefined],
  ['GET', '/deliveries/msg_1', undefined],
  ['POST', '/deliveries/msg_1/retry', undefined],
  ['POST', '/replay', { channel: 'orders/1', offset: '-1' }],
  ['POST', '/recover', { since: '2020-01-01T00:00:00Z' }],
];

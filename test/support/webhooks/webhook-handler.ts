/**
 * The door of webhooks over stores in memory, and callers who come as the gateway hands them over.
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
export const HUB_HOST = 'hub.example.com';
export const RECEIVER = 'https://receiver.example.com/hooks';

async function bearer(capability: Capability, sub = 'someone'): Promise<Record<string, string>> {
  const token = new SignJWT({ capability, sub }).setProtectedHeader({ alg: 'HS256' });
  const text = await token
    .setAudience('a')
    .setExpirationTime(NOW / 1_000 + 600)
    .sign(KEY);
  return { authorization: `Bearer ${text}` };
}

/** Who calls, by the headers that he sends. */
export const callers = {
  owner: await bearer({ 'orders/*': ['webhook'] }),
  admin: await bearer({ '*': ['webhook'] }, 'another'),
  /** May have one of the channels, and do everything else on all of them. */
  stranger: await bearer({ 'orders/1': ['webhook'], '*': ['publish', 'subscribe', 'manage'] }),
  reader: await bearer({ '*': ['subscribe'] }),
  nobody: {},
};

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly code: unknown;
}

type Request = [method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>];

export interface HandlerWorld extends ManagingWorld {
  readonly defects: unknown[];
  /** A request of the owner, unless it says whose it is. A body that is text is sent as it is. */
  readonly ask: (...request: Request) => Promise<Answered>;
  readonly refusal: (...request: Request) => Promise<[number, unknown]>;
  /** The id of a new endpoint of the owner. */
  readonly created: (more?: object) => Promise<string>;
  readonly stored: (id: string) => Promise<Endpoint>;
}

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
    const said = fieldsOf(result.body === '' ? {} : JSON.parse(result.body));
    const { statusCode: status, headers: sent, body: all } = result;
    return { status, headers: sent, text: all, body: said, code: fieldsOf(said.error).code };
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

/** All that can be asked of one endpoint: method, what stands below its path, and a body that is right. */
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

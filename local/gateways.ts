/**
 * Where requests come in: a port for each distribution, API and function URL.
 * @module
 */
import { randomBytes } from 'node:crypto';
import { serveHttpApi } from './apigateway/http-api.ts';
import { type SocketsOptions, serveSockets } from './apigateway/websockets.ts';
import { serveDistribution } from './cloudfront/edge.ts';
import { serveFunctionUrl } from './lambda/function-url.ts';
import { type Listener, listen } from './listener.ts';
import type { Assembly, Resource } from './template/assembly.ts';
import { REGION } from './template/intrinsics.ts';
import { apiId, distributionArn, distributionDomain, isWebSocketApi, socketUrl } from './template/names.ts';

export const DISTRIBUTION = 'AWS::CloudFront::Distribution';
export const HTTP_API = 'AWS::ApiGatewayV2::Api';
/** No type of CloudFormation: it is an Api there, as an HTTP API is. */
export const SOCKET_API = 'a WebSocket API';
export const FUNCTION_URL = 'AWS::Lambda::Url';

/** What each kind is called in a sentence, the outermost first. */
const KINDS = [
  [DISTRIBUTION, 'the distribution'],
  [HTTP_API, 'the HTTP API'],
  [SOCKET_API, 'the WebSocket API'],
  [FUNCTION_URL, 'the function URL'],
] as const;

const kindOf = (resource: Resource) => (isWebSocketApi(resource) ? SOCKET_API : resource.type);

export type Gateways = ReadonlyMap<Resource, Listener>;

/** Listens for all of them, before it is known what they serve. The outermost gets the port that was asked for. */
export async function openGateways(
  assembly: Assembly,
  port: number,
  opened: (listener: Listener) => void,
): Promise<Gateways> {
  const gateways = new Map<Resource, Listener>();
  const resources = assembly.stacks.flatMap((stack) => [...stack.resources.values()]);
  for (const [kind, what] of KINDS) {
    for (const resource of resources.filter((each) => kindOf(each) === kind)) {
      const isFront = gateways.size === 0 && kind !== FUNCTION_URL;
      const listener = await listen(isFront ? port : 0, `${what} ${resource.path}`);
      opened(listener);
      gateways.set(resource, listener);
    }
  }
  return gateways;
}

/** Construct path → URL of all gateways of a kind. */
export function urlsOf(gateways: Gateways, kind: string): [string, string][] {
  const wanted = [...gateways].filter(([resource]) => kindOf(resource) === kind);
  return wanted.map(([{ path }, { url }]) => [path, url]);
}

/** Templates also spell a URL out of an id or a domain; the one place where resolved text is rewritten. */
export function withLocalUrls(gateways: Gateways): (text: string) => string {
  const spelled = [...gateways].flatMap(([resource, { url }]) => {
    if (resource.type === DISTRIBUTION) return [[`https://${distributionDomain(resource)}`, url] as const];
    if (resource.type !== HTTP_API) return [];
    const domain = `${apiId(resource)}.execute-api.${REGION}.amazonaws.com`;
    const spelled = [[`https://${domain}`, url] as const];
    if (kindOf(resource) === HTTP_API) return spelled;
    // The bare domain comes last: it is part of the others, and the origin of a distribution is nothing but it.
    return [...spelled, [`wss://${domain}`, socketUrl(url)] as const, [domain, hostOf(url)] as const];
  });
  return (text) => spelled.reduce((result, [remote, local]) => result.replaceAll(remote, local), text);
}

const hostOf = (url: string) => url.replace('http://', '');

export interface ServedGateways {
  /** Where clients open a WebSocket: at the distribution if it leads to the API, else at the API itself. */
  readonly socketUrl: string | undefined;
  /** Ends all connections of WebSocket APIs, and has that told. */
  endSockets(): Promise<void>;
  /** Cuts off what is under way. */
  close(): Promise<void>;
}

/** Puts what the plan asks for behind each door. */
export function serveGateways(gateways: Gateways, options: SocketsOptions): ServedGateways {
  const { plan, runtime, log } = options;
  const keys = new Map(
    plan.all(DISTRIBUTION).map((resource) => [newKeyId('EDGE'), distributionArn(resource)]),
  );
  const socketHosts = new Set(urlsOf(gateways, SOCKET_API).map(([, url]) => hostOf(url)));
  const ends: (() => void | Promise<void>)[] = [];
  const fronts: { url: string; originOf(path: string): { host: string } | undefined }[] = [];
  const sockets: { url: string; path: string; end: () => Promise<void> }[] = [];
  for (const [resource, listener] of gateways) {
    const resolved = plan.all(resource.type).find(({ stack, logicalId }) => {
      return stack === resource.stack && logicalId === resource.logicalId;
    });
    if (resolved === undefined) continue;
    if (kindOf(resource) === SOCKET_API) {
      const served = serveSockets(resolved, listener, options);
      sockets.push({ url: listener.url, path: served.path, end: served.close });
    } else if (resource.type === HTTP_API) {
      serveHttpApi(resolved, plan, listener, runtime, log);
    } else if (resource.type === FUNCTION_URL) {
      serveFunctionUrl(resolved, listener, { ...options, distributions: keys });
    } else {
      const [accessKeyId = ''] = [...keys].find(([, arn]) => arn === distributionArn(resource)) ?? [];
      const served = serveDistribution(resolved, listener, { plan, accessKeyId, socketHosts, log });
      fronts.push({ url: listener.url, originOf: served.originOf });
      ends.push(served.close);
    }
  }
  const [first] = sockets;
  const front = fronts.find(({ originOf }) => originOf(first?.path ?? '')?.host === hostOf(first?.url ?? ''));
  return {
    socketUrl: first && socketUrl(`${front?.url ?? first.url}${first.path}`),
    async endSockets() {
      for (const { end } of sockets) await end();
    },
    async close() {
      for (const end of ends) await end();
    },
  };
}

/** An access key that nobody can guess, since no signature is verified. */
export function newKeyId(prefix: string): string {
  return `${prefix}${randomBytes(8).toString('hex').toUpperCase()}`;
}

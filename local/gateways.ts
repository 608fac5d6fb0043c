/**
 * The gateways: a port for each distribution, API and function URL of the template.
 * @module
 */
import { randomBytes } from 'node:crypto';
import { type EarlyRefusal, serveHttpApi } from './apigateway/http-api.ts';
import { type ServedSockets, type SocketsOptions, serveSockets } from './apigateway/websockets.ts';
import { type ServedDistribution, serveDistribution } from './cloudfront/edge.ts';
import { serveFunctionUrl } from './lambda/function-url.ts';
import { type HttpListener, openListener } from './listener.ts';
import type { Assembly, Resource } from './template/assembly.ts';
import { LOCAL_REGION } from './template/intrinsics.ts';
import { apiId, distributionArn, distributionDomain, isWebSocketApi, socketUrl } from './template/names.ts';

/** The kind of distributions. */
export const DISTRIBUTION = 'AWS::CloudFront::Distribution';
/** The kind of HTTP APIs. */
export const HTTP_API = 'AWS::ApiGatewayV2::Api';
/** CloudFormation has one type for HTTP APIs and WebSocket APIs, so this kind has a name of its own. */
const SOCKET_API = 'a WebSocket API';
/** The kind of function URLs. */
export const FUNCTION_URL = 'AWS::Lambda::Url';

/** The kinds of gateways and their names in messages. The first kind that the template has gets the port of the options. */
const KINDS = [
  [DISTRIBUTION, 'the distribution'],
  [HTTP_API, 'the HTTP API'],
  [SOCKET_API, 'the WebSocket API'],
  [FUNCTION_URL, 'the function URL'],
] as const;

const kindOf = (resource: Resource) => (isWebSocketApi(resource) ? SOCKET_API : resource.type);

/** The listener of each resource that takes requests. */
export type Gateways = ReadonlyMap<Resource, HttpListener>;

/**
 * Opens a port for each gateway of the assembly. They answer 503 until {@link serveGateways}.
 * @param port of the distribution, or of the first API if there is no distribution; 0 takes a free one
 * @param opened is called with each listener, so that the caller can close it if a later one fails
 */
export async function openGateways(
  assembly: Assembly,
  port: number,
  opened: (listener: HttpListener) => void,
): Promise<Gateways> {
  const gateways = new Map<Resource, HttpListener>();
  const resources = assembly.stacks.flatMap((stack) => [...stack.resources.values()]);
  for (const [kind, what] of KINDS) {
    for (const resource of resources.filter((each) => kindOf(each) === kind)) {
      const isFirst = gateways.size === 0 && kind !== FUNCTION_URL;
      const listener = await openListener(isFirst ? port : 0, `${what} ${resource.path}`);
      opened(listener);
      gateways.set(resource, listener);
    }
  }
  return gateways;
}

/** Returns construct path and URL of all gateways of a kind. */
export function urlsOf(gateways: Gateways, kind: string): [string, string][] {
  const wanted = [...gateways].filter(([resource]) => kindOf(resource) === kind);
  return wanted.map(([{ path }, { url }]) => [path, url]);
}

/**
 * Returns a function that replaces the URLs and domains of AWS in a text by those of this machine. Templates do not only
 * refer to URLs, they also compose them from an id or a domain.
 */
export function withLocalUrls(gateways: Gateways): (text: string) => string {
  const replacements = [...gateways].flatMap(([resource, { url }]) => {
    if (resource.type === DISTRIBUTION) return [[`https://${distributionDomain(resource)}`, url] as const];
    if (resource.type !== HTTP_API) return [];
    const domain = `${apiId(resource)}.execute-api.${LOCAL_REGION}.amazonaws.com`;
    const https = [`https://${domain}`, url] as const;
    if (kindOf(resource) === HTTP_API) return [https];
    // The bare domain comes last, because the others contain it. It is the origin of a distribution.
    return [https, [`wss://${domain}`, socketUrl(url)] as const, [domain, hostOf(url)] as const];
  });
  return (text) => replacements.reduce((result, [remote, local]) => result.replaceAll(remote, local), text);
}

const hostOf = (url: string) => url.replace('http://', '');

/** The gateways that serve requests. */
export interface ServedGateways {
  /** URL for WebSockets: at the distribution if that leads to the API, else at the API. Undefined without a WebSocket API. */
  readonly socketUrl: string | undefined;
  /** Closes all WebSocket connections. Their functions still get `$disconnect`. */
  endSockets(): Promise<void>;
  /** Ends the functions at the edge, and connections to origins. */
  close(): Promise<void>;
}

/** Serves the resources of the plan on their listeners. */
export function serveGateways(gateways: Gateways, options: SocketsOptions): ServedGateways {
  const { plan, runtime, log } = options;
  // Each distribution signs with a key of its own, by which a function URL knows it.
  const signers = new Map(
    plan.all(DISTRIBUTION).map((resource) => [newKeyId('EDGE'), distributionArn(resource)]),
  );
  const socketHosts = new Set(urlsOf(gateways, SOCKET_API).map(([, url]) => hostOf(url)));
  /** By host and port of the API. Distributions are served before the APIs, so they look here for each request. */
  const refusals = new Map<string, EarlyRefusal>();
  const distributions: (ServedDistribution & { url: string })[] = [];
  const socketApis: (ServedSockets & { url: string })[] = [];
  for (const [resource, listener] of gateways) {
    const resolved = plan.all(resource.type).find(({ stack, logicalId }) => {
      return stack === resource.stack && logicalId === resource.logicalId;
    });
    if (resolved === undefined) continue;
    const { url } = listener;
    if (kindOf(resource) === SOCKET_API) {
      socketApis.push({ url, ...serveSockets(resolved, listener, options) });
    } else if (resource.type === HTTP_API) {
      refusals.set(hostOf(url), serveHttpApi(resolved, plan, listener, runtime, log));
    } else if (resource.type === FUNCTION_URL) {
      serveFunctionUrl(resolved, listener, { ...options, distributions: signers });
    } else {
      const [accessKeyId = ''] = [...signers].find(([, arn]) => arn === distributionArn(resource)) ?? [];
      const served = serveDistribution(resolved, listener, {
        plan,
        accessKeyId,
        socketHosts,
        refusals,
        log,
      });
      distributions.push({ url, ...served });
    }
  }
  const [socketApi] = socketApis;
  return {
    socketUrl: socketApi && socketUrl(`${urlBefore(socketApi, distributions)}${socketApi.path}`),
    async endSockets() {
      for (const { close } of socketApis) await close();
    },
    async close() {
      for (const { close } of distributions) await close();
    },
  };
}

/** Returns the URL of the distribution that leads to the API, or the URL of the API. */
function urlBefore(
  { url, path }: { url: string; path: string },
  distributions: readonly (ServedDistribution & { url: string })[],
): string {
  return distributions.find(({ originOf }) => originOf(path)?.host === hostOf(url))?.url ?? url;
}

/** Returns a new access key id. It is random, because the stack does not verify signatures: the id alone is the proof. */
export function newKeyId(prefix: string): string {
  return `${prefix}${randomBytes(8).toString('hex').toUpperCase()}`;
}

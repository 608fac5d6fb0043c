/**
 * Where requests come in: a port for each distribution, HTTP API and function URL.
 * @module
 */
import { randomBytes } from 'node:crypto';
import type { Assembly, Resource } from './assembly.ts';
import { serveDistribution } from './edge.ts';
import { serveFunctionUrl } from './function-url.ts';
import { serveHttpApi } from './http-api.ts';
import { REGION } from './intrinsics.ts';
import type { Ledger } from './ledger.ts';
import { type Listener, listen } from './listener.ts';
import { apiId, distributionArn, distributionDomain } from './names.ts';
import type { Plan } from './plan.ts';
import type { Runtime } from './runtime.ts';

export const DISTRIBUTION = 'AWS::CloudFront::Distribution';
export const HTTP_API = 'AWS::ApiGatewayV2::Api';
export const FUNCTION_URL = 'AWS::Lambda::Url';

/** What each kind is called in a sentence, the outermost first. */
const KINDS = [
  [DISTRIBUTION, 'the distribution'],
  [HTTP_API, 'the HTTP API'],
  [FUNCTION_URL, 'the function URL'],
] as const;

export type Doors = ReadonlyMap<Resource, Listener>;

export interface DoorOptions {
  readonly plan: Plan;
  readonly runtime: Runtime;
  readonly ledger: Ledger;
  readonly adminKeyId: string;
  readonly log: (line: string) => void;
}

/** Listens for all of them, before it is known what they serve. The outermost gets the port that was asked for. */
export async function openDoors(
  assembly: Assembly,
  port: number,
  opened: (listener: Listener) => void,
): Promise<Doors> {
  const doors = new Map<Resource, Listener>();
  const resources = assembly.stacks.flatMap((stack) => [...stack.resources.values()]);
  for (const [kind, what] of KINDS) {
    for (const resource of resources.filter(({ type }) => type === kind)) {
      const isFront = doors.size === 0 && kind !== FUNCTION_URL;
      const listener = await listen(isFront ? port : 0, `${what} ${resource.path}`);
      opened(listener);
      doors.set(resource, listener);
    }
  }
  return doors;
}

/** Construct path → URL of all doors of a kind. */
export function urlsOf(doors: Doors, kind: string): [string, string][] {
  const wanted = [...doors].filter(([{ type }]) => type === kind);
  return wanted.map(([{ path }, { url }]) => [path, url]);
}

/** Templates also spell a URL out of an id or a domain; the one place where resolved text is rewritten. */
export function withLocalUrls(doors: Doors): (text: string) => string {
  const spelled = [...doors].flatMap(([resource, { url }]) => {
    if (resource.type === DISTRIBUTION) return [[`https://${distributionDomain(resource)}`, url] as const];
    if (resource.type !== HTTP_API) return [];
    return [[`https://${apiId(resource)}.execute-api.${REGION}.amazonaws.com`, url] as const];
  });
  return (text) => spelled.reduce((result, [remote, local]) => result.replaceAll(remote, local), text);
}

/** Puts what the plan asks for behind each door; gives what ends it. */
export function serveDoors(doors: Doors, options: DoorOptions): () => Promise<void> {
  const { plan, runtime, log } = options;
  const keys = new Map(
    plan.all(DISTRIBUTION).map((resource) => [newKeyId('EDGE'), distributionArn(resource)]),
  );
  const ends: (() => Promise<void>)[] = [];
  for (const [resource, listener] of doors) {
    const resolved = plan.all(resource.type).find(({ stack, logicalId }) => {
      return stack === resource.stack && logicalId === resource.logicalId;
    });
    if (resolved === undefined) continue;
    if (resource.type === HTTP_API) {
      serveHttpApi(resolved, plan, listener, runtime, log);
    } else if (resource.type === FUNCTION_URL) {
      serveFunctionUrl(resolved, listener, { ...options, distributions: keys });
    } else {
      const [accessKeyId = ''] = [...keys].find(([, arn]) => arn === distributionArn(resource)) ?? [];
      ends.push(serveDistribution(resolved, listener, { plan, accessKeyId, log }));
    }
  }
  return async () => {
    for (const end of ends) await end();
  };
}

/** An access key that nobody can guess, since no signature is verified. */
export function newKeyId(prefix: string): string {
  return `${prefix}${randomBytes(8).toString('hex').toUpperCase()}`;
}

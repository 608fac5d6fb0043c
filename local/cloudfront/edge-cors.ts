/**
 * The CORS part of a response headers policy: the headers that CloudFront adds to an answer of an origin without CORS headers.
 * Error pages of CloudFront get none here, because AWS does not document that they do.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/understanding-response-headers-policies.html
 * @module
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { readCors } from '../apigateway/cors.ts';
import { objectOr, stringsOf } from '../template/json.ts';
import type { Plan } from '../template/plan.ts';

/** Returns the headers of an answer of an origin with those of the policy. */
export type AddCors = (request: IncomingMessage, headers: OutgoingHttpHeaders) => OutgoingHttpHeaders;

/**
 * Reads the policy with that id. Without an id no headers are added.
 * @param at name of the behavior in errors
 * @throws Error for a policy that is not understood
 */
export function readResponseHeadersPolicy(id: unknown, plan: Plan, at: string): AddCors {
  if (id === undefined) return (_request, headers) => headers;
  const policy = plan.all('AWS::CloudFront::ResponseHeadersPolicy').find(({ name }) => name === id);
  if (policy === undefined) throw new Error(`${at} has the unknown response headers policy ${String(id)}`);
  const config = objectOr(objectOr(policy.properties.ResponseHeadersPolicyConfig).CorsConfig);
  if (config.OriginOverride !== false) throw new Error(`${at}: only OriginOverride false is understood here`);
  const items = (name: string) => stringsOf(objectOr(config[`AccessControl${name}`]).Items, name);
  const cors = readCors({
    AllowOrigins: items('AllowOrigins'),
    AllowMethods: items('AllowMethods'),
    AllowHeaders: items('AllowHeaders'),
    ExposeHeaders: items('ExposeHeaders'),
    AllowCredentials: config.AccessControlAllowCredentials,
    MaxAge: config.AccessControlMaxAgeSec,
  });
  return (request, headers) => {
    // If the origin has set one CORS header, CloudFront adds none.
    const hasOwn = Object.keys(headers).some((name) => name.startsWith('access-control-'));
    if (hasOwn || cors === undefined) return headers;
    return { ...cors.apply(request, headers), ...cors.preflight(request) };
  };
}

/**
 * The CORS part of a response headers policy: what CloudFront adds to an answer of an origin that has no CORS header of its own.
 * What it answers by itself gets none here: the documentation does not promise it.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/understanding-response-headers-policies.html
 * @module
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { readCors } from '../apigateway/cors.ts';
import { objectOr, stringsOf } from '../template/json.ts';
import type { Plan } from '../template/plan.ts';

/** Adds to the headers of an answer of an origin. */
export type AddCors = (request: IncomingMessage, headers: OutgoingHttpHeaders) => OutgoingHttpHeaders;

/** Reads the policy of that id; `at` names the behavior that has it. */
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
    // One of the origin's own is enough: then CloudFront adds none.
    const hasOwn = Object.keys(headers).some((name) => name.startsWith('access-control-'));
    if (hasOwn || cors === undefined) return headers;
    return { ...cors.apply(request, headers), ...cors.preflight(request) };
  };
}

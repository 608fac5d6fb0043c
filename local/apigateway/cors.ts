/**
 * CORS of HTTP APIs and function URLs: they answer preflights, and their headers replace those of the function.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
 * @module
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { matchesWildcard } from '../iam/iam-match.ts';
import { isObject, stringsOf } from '../template/json.ts';

/** A CORS configuration. */
export interface Cors {
  /** Returns the headers of the answer to a preflight; undefined if the request is no preflight. */
  preflight(request: IncomingMessage): OutgoingHttpHeaders | undefined;
  /** Returns the headers of an answer with those of the configuration. */
  apply(request: IncomingMessage, headers: OutgoingHttpHeaders): OutgoingHttpHeaders;
}

/** Reads `CorsConfiguration` of an API or `Cors` of a function URL. Returns undefined if there is none. */
export function readCors(configuration: unknown): Cors | undefined {
  if (!isObject(configuration)) return undefined;
  const list = (name: string) => stringsOf(configuration[name], name);
  const origins = list('AllowOrigins');
  const { MaxAge: maxAge, AllowCredentials: credentials } = configuration;

  function originHeaders(request: IncomingMessage): OutgoingHttpHeaders | undefined {
    const { origin } = request.headers;
    if (origin === undefined || !origins.some((allowed) => matchesWildcard(allowed, origin)))
      return undefined;
    return {
      'access-control-allow-origin': origins.includes('*') ? '*' : origin,
      ...(!origins.includes('*') && { vary: 'Origin' }),
      ...(credentials === true && { 'access-control-allow-credentials': 'true' }),
    };
  }

  const joined = (header: string, values: string[]) =>
    values.length > 0 ? { [header]: values.join(',') } : {};

  return {
    preflight(request) {
      const isPreflight =
        request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
      if (!isPreflight || request.headers.origin === undefined) return undefined;
      const allowed = originHeaders(request);
      if (allowed === undefined) return {};
      return {
        ...allowed,
        ...joined('access-control-allow-methods', list('AllowMethods')),
        ...joined('access-control-allow-headers', list('AllowHeaders')),
        ...(maxAge !== undefined && { 'access-control-max-age': String(maxAge) }),
      };
    },
    apply(request, headers) {
      const own = Object.entries(headers).filter(([name]) => !name.startsWith('access-control-'));
      const exposed = joined('access-control-expose-headers', list('ExposeHeaders'));
      const allowed = originHeaders(request);
      return { ...Object.fromEntries(own), ...(allowed !== undefined && { ...allowed, ...exposed }) };
    },
  };
}

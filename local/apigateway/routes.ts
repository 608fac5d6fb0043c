/**
 * Finds the route of an HTTP API for a request.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
 * @module
 */

/** A route and its integration. */
export interface Route<T> {
  /** `GET /things/{id}`, `ANY /things/{proxy+}` or `$default`. */
  readonly key: string;
  /** The integration. */
  readonly target: T;
}

/** The route of a request. */
export interface RouteMatch<T> {
  /** The most specific route that matches. */
  readonly route: Route<T>;
  /** The values of the variables by name; undefined if there are none. */
  readonly pathParameters: Readonly<Record<string, string>> | undefined;
}

type Segment =
  | { kind: 'static'; text: string }
  | { kind: 'variable'; name: string }
  | { kind: 'greedy'; name: string };

interface Compiled<T> {
  readonly route: Route<T>;
  readonly method: string;
  readonly segments: readonly Segment[];
}

/** Returns the route for a method and a decoded path; undefined if no route matches. */
export type Router<T> = (method: string, path: string) => RouteMatch<T> | undefined;

/**
 * Returns a router for the routes. The most specific route wins; `$default` takes the rest.
 * @throws Error for a route key without a method and a path
 */
export function createRouter<T>(routes: readonly Route<T>[]): Router<T> {
  const fallback = routes.find(({ key }) => key === '$default');
  const compiled = routes
    .filter((route) => route !== fallback)
    .map(compile)
    .sort(moreSpecific);
  return (method, path) => {
    const parts = path.slice(1).split('/');
    for (const candidate of compiled) {
      if (candidate.method !== 'ANY' && candidate.method !== method) continue;
      const values = match(candidate.segments, parts);
      if (values === undefined) continue;
      return { route: candidate.route, pathParameters: Object.keys(values).length > 0 ? values : undefined };
    }
    return fallback === undefined ? undefined : { route: fallback, pathParameters: undefined };
  };
}

function compile<T>(route: Route<T>): Compiled<T> {
  const [, method, path] = /^([A-Z]+) \/(.*)$/.exec(route.key) ?? [];
  if (method === undefined || path === undefined) {
    throw new Error(`the route key ${route.key} must be "METHOD /path" or "$default"`);
  }
  return { route, method, segments: path.split('/').map(parseSegment) };
}

function parseSegment(text: string): Segment {
  const [, name, plus] = /^\{([^{}+]+)(\+)?\}$/.exec(text) ?? [];
  if (name === undefined) return { kind: 'static', text };
  return plus === undefined ? { kind: 'variable', name } : { kind: 'greedy', name };
}

function match(segments: readonly Segment[], parts: readonly string[]): Record<string, string> | undefined {
  const values: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const part = parts[index];
    if (segment.kind === 'greedy') {
      const rest = parts.slice(index).join('/');
      if (rest === '') return undefined;
      values[segment.name] = rest;
      return values;
    }
    if (part === undefined) return undefined;
    if (segment.kind === 'variable' && part !== '') values[segment.name] = part;
    else if (segment.kind === 'variable' || segment.text !== part) return undefined;
  }
  return segments.length === parts.length ? values : undefined;
}

const RANK = { static: 0, variable: 1, greedy: 2 };

/** Compares two routes: static segments before variables before greedy ones, then a named method before ANY. */
function moreSpecific<T>(a: Compiled<T>, b: Compiled<T>): number {
  const length = Math.max(a.segments.length, b.segments.length);
  for (let index = 0; index < length; index += 1) {
    const left = a.segments[index];
    const right = b.segments[index];
    if (left === undefined || right === undefined) break;
    if (RANK[left.kind] !== RANK[right.kind]) return RANK[left.kind] - RANK[right.kind];
  }
  return Number(a.method === 'ANY') - Number(b.method === 'ANY');
}

/**
 * Requests with a token, which is asked for once more when the hub does not take it.
 * @module
 */
/**
 * How many requests a client has under way at once. Browsers open six connections to a host over HTTP/1.1, and a request
 * beyond them waits until another one ends. So that a publish does not wait for a held request, reading uses four: two
 * reads beside two streams (streams.ts) or two long polls. Streams that are tried again beside long polls are two more.
 * @module
 */
import { refusalOf } from './errors.ts';
import type { Host } from './host.ts';
import type { Tokens } from './token.ts';

export interface HttpRequest {
  readonly url: string;
  readonly method?: 'GET' | 'HEAD' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** @throws TidingsError for any answer but 2xx and 304, and what `Tokens.get` throws; rejects as `fetch` does */
export type Http = (request: HttpRequest, signal: AbortSignal) => Promise<Response>;

/** Lets the connection go without the body. That may be endless, or broken: nothing waits for it, and no error counts. */
export const discard = ({ body }: Response): void => void body?.cancel().catch(() => {});

export function httpWith({ fetch }: Pick<Host, 'fetch'>, tokens: Tokens): Http {
  async function send(
    { url, headers, ...init }: HttpRequest,
    bearer: string | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    const authorization: Record<string, string> =
      bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` };
    // The hub sends a held read elsewhere where there is no front door (PROTOCOL.md §5.1). A publish that followed a
    // redirect would become a GET, or hand its messages to a login page.
    const redirect = init.method === 'POST' ? 'manual' : 'follow';
    return await fetch(url, { ...init, redirect, headers: { ...headers, ...authorization }, signal });
  }
  return async (request, signal) => {
    const bearer = await tokens.get(signal);
    const response = await send(request, bearer, signal);
    if (response.ok || response.status === 304) return response;
    const refusal = await refusalOf(response);
    if (refusal.code !== 'unauthorized' || !tokens.refuse(bearer)) throw refusal;
    const renewed = await tokens.get(signal);
    const again = renewed === bearer ? response : await send(request, renewed, signal);
    if (again.ok || again.status === 304) return again;
    tokens.refuse(renewed);
    throw again === response ? refusal : await refusalOf(again);
  };
}

/** Requests that are answered at once. */
const READS_AT_ONCE = 2;

/** Long polls that are held. */
const HELD_AT_ONCE = 2;

export interface RequestLimits {
  /** Runs a request that is answered at once, when it is its turn. */
  readonly read: <T>(run: () => Promise<T>) => Promise<T>;
  /** Takes a place for long polls. Returns what gives it back, or undefined if all are taken. */
  readonly hold: () => (() => void) | undefined;
}

export function requestLimits(): RequestLimits {
  let held = 0;
  return {
    read: atMost(READS_AT_ONCE),
    hold() {
      if (held >= HELD_AT_ONCE) return undefined;
      held += 1;
      return () => {
        held -= 1;
      };
    },
  };
}

/** Lets so many run at once; the others wait for their turn. */
function atMost(most: number): RequestLimits['read'] {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (run) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}

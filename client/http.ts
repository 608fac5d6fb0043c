/**
 * Requests with a token, which is asked for anew each time, and once more when the hub does not take it.
 * @module
 */
import { refusalOf } from './errors.ts';
import type { Host } from './host.ts';

/**
 * A token (PROTOCOL.md §7), or a function that gets one: it is called for every connection and request, so that it may
 * renew one that has expired. Undefined is nobody in particular.
 */
export type Token = string | (() => string | undefined | Promise<string | undefined>) | undefined;

/** Asks for the token of this moment. Rejects as the function does. */
export const askToken = async (token: Token): Promise<string | undefined> =>
  typeof token === 'function' ? await token() : token;

export interface HttpRequest {
  readonly url: string;
  readonly method?: 'GET' | 'HEAD' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** @throws TidingsError for any answer but 2xx and 304; rejects as `fetch` does */
export type Http = (request: HttpRequest, signal: AbortSignal) => Promise<Response>;

export function httpWith({ fetch }: Pick<Host, 'fetch'>, token: Token): Http {
  async function attempt({ url, headers, ...init }: HttpRequest, signal: AbortSignal): Promise<Response> {
    const bearer = await askToken(token);
    const authorization: Record<string, string> =
      bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` };
    return await fetch(url, { ...init, headers: { ...headers, ...authorization }, signal });
  }
  return async (request, signal) => {
    let response = await attempt(request, signal);
    if (response.status === 401 && typeof token === 'function') {
      await response.body?.cancel();
      response = await attempt(request, signal);
    }
    if (!response.ok && response.status !== 304) throw await refusalOf(response);
    return response;
  };
}

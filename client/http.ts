/**
 * Requests with a token, which is asked for once more when the hub does not take it.
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

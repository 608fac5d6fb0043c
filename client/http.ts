/**
 * Requests with a token, and how many of them run at the same time. Browsers open six connections to a host over
 * HTTP/1.1, and a request beyond them waits until another one ends. So that a publish never waits for a held request,
 * reading uses four: two reads, and two streams or two long polls. While streams are tried again beside long polls,
 * there are two more.
 * @module
 */
import { refusalOf } from './errors.ts';
import type { Host } from './host.ts';
import type { Tokens } from './token.ts';

/** One request of the client. */
export interface HttpRequest {
  /** The full URL. */
  readonly url: string;
  /** Default: GET. */
  readonly method?: 'GET' | 'HEAD' | 'POST';
  /** Headers, without Authorization. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Text. */
  readonly body?: string;
}

/**
 * Sends a request. If the hub refuses the token, it gets another token and sends the request once more.
 * @throws TidingsError for any answer but 2xx and 304, and the errors of `Tokens.get`; rejects as `fetch` does
 */
export type Http = (request: HttpRequest, signal: AbortSignal) => Promise<Response>;

/**
 * Releases the connection without reading the body. The body may be endless or broken: nothing waits for it, and no
 * error counts.
 */
export const discard = ({ body }: Response): void => void body?.cancel().catch(() => {});

/** Yields the chunks of a body. Some browsers cannot iterate a stream. */
export async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncIterableIterator<Uint8Array, void> {
  const reader = body.getReader();
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value;
  } finally {
    // Nothing waits for the cancellation. A body that is broken, or that a proxy holds, may never end.
    reader.cancel().catch(() => {});
  }
}

/** Returns a function that sends requests with the current token. */
export function httpWith({ fetch }: Pick<Host, 'fetch'>, tokens: Tokens): Http {
  async function send(
    { url, headers, ...init }: HttpRequest,
    bearer: string | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    const authorization: Record<string, string> =
      bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` };
    // Without the front door the hub redirects a held read to another URL (PROTOCOL.md §5.1). A publish must not follow
    // a redirect: it would become a GET, or send its messages to a login page.
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
    const second = renewed === bearer ? response : await send(request, renewed, signal);
    if (second.ok || second.status === 304) return second;
    tokens.refuse(renewed);
    throw second === response ? refusal : await refusalOf(second);
  };
}

/** Reads that run at the same time. */
const READS_AT_ONCE = 2;

/** Long polls that are held at the same time. */
const HELD_AT_ONCE = 2;

/** The limits of the requests that read. */
export interface RequestLimits {
  /** Runs a read when fewer than two run. The others wait in order. */
  readonly read: <T>(run: () => Promise<T>) => Promise<T>;
  /** Reserves one of the two long polls. Returns the function that releases it, or undefined if both are taken. */
  readonly hold: () => (() => void) | undefined;
}

/** Returns the limits of one client. */
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

/** Returns a function that lets `most` tasks run at the same time. The others wait in order. */
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

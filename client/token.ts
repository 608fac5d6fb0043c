/**
 * The token of a client. The client asks for it once, caches it until the hub refuses it or it is about to expire, and
 * uses it for all connections and requests.
 * @module
 */
import { TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import { later, onAbort } from './timers.ts';

/**
 * A token (PROTOCOL.md §7), or a function that returns one. The client calls the function when it has no token yet,
 * when the hub has refused the last one, and shortly before the `exp` of the last one. Undefined means a caller without
 * a token.
 */
export type Token = string | TokenFunction | undefined;

type TokenFunction = () => string | undefined | Promise<string | undefined>;

/** The longest time that the function may take before the client calls it again, in milliseconds. */
const ASK_MS = 30_000;

/** The time before its `exp` at which a token is replaced, in milliseconds. */
const EARLY_MS = 30_000;

/**
 * The shortest time between two calls of the function, in milliseconds, if its token is about to expire. A function may
 * return the same token until that has expired, or the clock of this machine may be wrong.
 */
const LEAST_CACHED_MS = 10_000;

/** The characters that `Authorization: Bearer` can carry. https://www.rfc-editor.org/rfc/rfc6750#section-2.1 */
const BEARER = /^[A-Za-z0-9\-._~+/]+=*$/;

/** The source of the tokens of a client. */
export interface Tokens {
  /**
   * Returns the current token. If the function fails, that is the last token until it expires. Rejects with
   * `unauthorized` if the token cannot be sent, with `unavailable` after 30 s or when the signal is aborted, else with
   * the error of the function.
   */
  readonly get: (signal: AbortSignal) => Promise<string | undefined>;
  /** Forgets a token that the hub has refused. Returns true if `get` may return another one. */
  readonly refuse: (token: string | undefined) => boolean;
}

/**
 * Returns the token of one client.
 * @param client aborted when the client is closed
 * @throws TypeError for a text that cannot be a token
 */
export function tokensOf(
  host: Pick<Host, 'after' | 'now' | 'wallClock'>,
  token: Token,
  client: AbortSignal,
): Tokens {
  if (typeof token !== 'function') {
    const problem = problemOf(token);
    if (problem) throw new TypeError(problem);
    return { get: async () => token, refuse: () => false };
  }
  /** The last token, the time until which it is used without a new call, and the time at which it expires. */
  let cached: { readonly token: string; readonly until: number; readonly end: number } | undefined;
  let pending: Promise<string | undefined> | undefined;

  async function call(getToken: TokenFunction): Promise<string | undefined> {
    const given = (await getToken()) ?? undefined;
    const problem = problemOf(given);
    if (problem) throw new TidingsError('unauthorized', problem);
    if (given === undefined) return undefined;
    const end = host.now() + expiryOf(given) - host.wallClock();
    cached = { token: given, until: Math.max(end - EARLY_MS, host.now() + LEAST_CACHED_MS), end };
    return given;
  }

  /** Returns the last token if it has not expired. The function gave no other one. */
  function lastGood(error: unknown): string {
    if (!cached || host.now() >= cached.end) throw error;
    cached = { ...cached, until: Math.min(cached.end, host.now() + LEAST_CACHED_MS) };
    return cached.token;
  }

  /** Calls the function once for all callers that wait. A late answer is cached, too. */
  function callOnce(getToken: TokenFunction): Promise<string | undefined> {
    const asked = new Promise<string | undefined>((resolve, reject) => {
      const late = new TidingsError('unavailable', `the token function did not answer in ${ASK_MS} ms`);
      const stop = later(host, ASK_MS, client, () => reject(late));
      call(getToken).then(resolve, reject).finally(stop);
    });
    const done = (): void => {
      if (pending === asked) pending = undefined;
    };
    asked.then(done, done);
    return asked;
  }

  return {
    get(signal) {
      if (cached && host.now() < cached.until) return Promise.resolve(cached.token);
      pending ??= callOnce(token);
      return untilAborted(pending.catch(lastGood), signal);
    },
    refuse(refused) {
      if (cached?.token === refused) cached = undefined;
      return true;
    },
  };
}

/**
 * Returns what is wrong with a token. The text never contains the token, because it is a secret and errors end in logs.
 */
function problemOf(token: unknown): string | undefined {
  if (token === undefined) return undefined;
  if (typeof token !== 'string') return `a token must be text, got ${typeof token}`;
  if (BEARER.test(token)) return undefined;
  if (token === '') return 'the token is empty: leave it out to come without one';
  const at = [...token].findIndex((character) => !/[A-Za-z0-9\-._~+/=]/.test(character));
  return at < 0
    ? 'the token has "=" where none can be'
    : `the token has a character at position ${at} that no header carries, such as a line break or a space`;
}

/** Returns the `exp` of a JSON Web Token, in milliseconds since 1970. Infinite for any other token. */
function expiryOf(token: string): number {
  try {
    const claims = token.split('.')[1] ?? '';
    const { exp } = JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/')));
    return typeof exp === 'number' ? exp * 1_000 : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Rejects when the signal is aborted. The token function itself cannot be interrupted. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => reject(new TidingsError('unavailable', 'closed, or not answered in time'));
    if (signal.aborted) return end();
    const forget = onAbort(signal, end);
    promise.then(resolve, reject).finally(forget);
  });
}

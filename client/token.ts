/**
 * The token of a client: asked for once, kept until the hub refuses it or it is about to expire, and shared by all
 * connections and requests.
 * @module
 */
import { TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import { later, onAbort } from './timers.ts';

/**
 * A token (PROTOCOL.md §7), or a function that gets one. The function is called when there is none yet, when the hub has
 * refused the last one, and shortly before the `exp` of the last one. Undefined is a caller without a token.
 */
export type Token = string | TokenFunction | undefined;

type TokenFunction = () => string | undefined | Promise<string | undefined>;

/** The longest that the function may take before it is called again, in milliseconds. */
const ASK_MS = 30_000;

/** So long before its `exp` a token is replaced, in milliseconds. */
const EARLY_MS = 30_000;

/**
 * So long the function is not called again, in milliseconds, though what it gave is about to expire: it gives the same
 * token until that has expired, or the clock of this machine is wrong.
 */
const LEAST_KEPT_MS = 10_000;

/** What `Authorization: Bearer` can carry. https://www.rfc-editor.org/rfc/rfc6750#section-2.1 */
const BEARER = /^[A-Za-z0-9\-._~+/]+=*$/;

export interface Tokens {
  /**
   * Returns the token of this moment. While another cannot be had, that is the last one until it expires. Rejects with
   * `unauthorized` if it cannot be sent, with `unavailable` after 30 s or when the signal is aborted, and else as the
   * function does.
   */
  readonly get: (signal: AbortSignal) => Promise<string | undefined>;
  /** Takes note that the hub refused a token. Returns true if `get` may give another one. */
  readonly refuse: (token: string | undefined) => boolean;
}

/** @param client ends everything. @throws TypeError for a text that can be no token */
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
  /** The last token, until when no other one is asked for, and when it expires. */
  let kept: { readonly token: string; readonly until: number; readonly end: number } | undefined;
  let asking: Promise<string | undefined> | undefined;

  async function call(getToken: TokenFunction): Promise<string | undefined> {
    const given = (await getToken()) ?? undefined;
    const problem = problemOf(given);
    if (problem) throw new TidingsError('unauthorized', problem);
    if (given === undefined) return undefined;
    const end = host.now() + expiryOf(given) - host.wallClock();
    kept = { token: given, until: Math.max(end - EARLY_MS, host.now() + LEAST_KEPT_MS), end };
    return given;
  }

  /** Another token cannot be had at the moment: the last one is good until it has expired. */
  function lastGood(error: unknown): string {
    if (!kept || host.now() >= kept.end) throw error;
    kept = { ...kept, until: Math.min(kept.end, host.now() + LEAST_KEPT_MS) };
    return kept.token;
  }

  /** Calls the function once for all callers that wait. Its late answer is kept, too. */
  function ask(getToken: TokenFunction): Promise<string | undefined> {
    const asked = new Promise<string | undefined>((resolve, reject) => {
      const late = new TidingsError('unavailable', `the token function did not answer in ${ASK_MS} ms`);
      const stop = later(host, ASK_MS, client, () => reject(late));
      call(getToken).then(resolve, reject).finally(stop);
    });
    const done = (): void => {
      if (asking === asked) asking = undefined;
    };
    asked.then(done, done);
    return asked;
  }

  return {
    get(signal) {
      if (kept && host.now() < kept.until) return Promise.resolve(kept.token);
      asking ??= ask(token);
      return untilAborted(asking.catch(lastGood), signal);
    },
    refuse(refused) {
      if (kept?.token === refused) kept = undefined;
      return true;
    },
  };
}

/** Says what is wrong with a token, without the token itself: it is a secret, and errors end in logs. */
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

/** The `exp` of a JSON Web Token, in milliseconds since 1970; infinite for any other token. */
function expiryOf(token: string): number {
  try {
    const claims = token.split('.')[1] ?? '';
    const { exp } = JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/')));
    return typeof exp === 'number' ? exp * 1_000 : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The function that is waited for knows no signal. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => reject(new TidingsError('unavailable', 'closed, or not answered in time'));
    if (signal.aborted) return end();
    const forget = onAbort(signal, end);
    promise.then(resolve, reject).finally(forget);
  });
}

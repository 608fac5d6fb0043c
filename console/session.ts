/**
 * The session of the page: a token, which stays in the memory of the page, and the URLs of the hub.
 * @module
 */
import { isRecord, refusalOf, TidingsError } from '../client/errors.ts';

/** A token, and the hub that has accepted it. */
export interface Session {
  /** The token. */
  readonly token: string;
  /** The URL of a receiver of webhooks on the machine of the hub. Undefined for a deployed hub. */
  readonly receiver: string | undefined;
}

/** What every part of the page gets. */
export interface PageProps {
  /** The session. */
  readonly session: Session;
  /** Called when the hub refuses the token. */
  readonly onUnauthorized: () => void;
}

/** The URLs of the hub, as the options of the client. */
export interface HubUrls {
  /** The URL of the hub, without a slash at the end. */
  readonly url: string;
  /** The URL of the sockets. Undefined behind the front door. */
  readonly socketUrl: string | undefined;
  /** The URL of the streams. Undefined behind the front door. */
  readonly streamUrl: string | undefined;
}

/** Returns the URLs of the hub. The page itself is at /console of the hub. */
export function hubUrls(): HubUrls {
  const { socketUrl, streamUrl } = document.documentElement.dataset;
  const elsewhere = (url: string | undefined) => (url === 'self' ? undefined : url);
  const url = new URL('.', location.href).href.replace(/\/$/, '');
  return { url, socketUrl: elsewhere(socketUrl), streamUrl: elsewhere(streamUrl) };
}

/** True if one address leads to everything. Then each request also passes the front door. */
export const hasFrontDoor = (): boolean => hubUrls().streamUrl === undefined;

/** What a request has beside its path. */
interface RequestOptions {
  /** Default: GET. */
  readonly method?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, in place of `body`. */
  readonly text?: string;
  /** Headers beside the token. The content type is that of JSON, if there is a body and they do not name another one. */
  readonly headers?: Readonly<Record<string, string>>;
  /** True for a request that must go on when the page is closed. */
  readonly keepalive?: boolean;
}

/** Sends a request to the hub. @throws TidingsError for a refusal, and `unavailable` if the hub did not answer */
export async function request(
  token: string,
  path: string,
  { method = 'GET', body, text, headers = {}, keepalive = false }: RequestOptions = {},
): Promise<Response> {
  const isJson = body !== undefined;
  const sent = isJson ? JSON.stringify(body) : text;
  const type = isJson ? { 'Content-Type': 'application/json' } : {};
  const all = { Authorization: `Bearer ${token}`, ...type, ...headers };
  const init = { method, headers: all, keepalive, ...(sent === undefined ? {} : { body: sent }) };
  const response = await fetch(`${hubUrls().url}${path}`, init).catch((error: unknown) => {
    throw new TidingsError('unavailable', 'the hub does not answer', { cause: error });
  });
  if (!response.ok) throw await refusalOf(response);
  return response;
}

/** Asks the hub whether it accepts a token. @throws TidingsError if it does not, or does not answer */
export async function signIn(token: string): Promise<Session> {
  // The cheapest request that every token may make, and no caller without one.
  await request(token, '/tickets', { method: 'POST' });
  return { token, receiver: undefined };
}

/**
 * Takes the one-time code out of the address, so that neither a reload nor a bookmark has it. `npm start` prints an address with one.
 */
export function takeCode(): string | undefined {
  const [, code] = /^#code=([\w-]+)$/.exec(location.hash) ?? [];
  if (code !== undefined) history.replaceState(null, '', location.pathname);
  return code;
}

/** Trades a code for a token. Only a hub that `npm start` runs knows codes. @throws TidingsError for a code that was used */
export async function signInByCode(code: string): Promise<Session> {
  const response = await fetch(`${hubUrls().url}/console/sign-in`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ code }),
  }).catch((error: unknown) => {
    throw new TidingsError('unavailable', 'the hub does not answer', { cause: error });
  });
  if (!response.ok) throw await refusalOf(response);
  const answer: unknown = await response.json();
  if (!isRecord(answer) || typeof answer.token !== 'string')
    throw new TidingsError('unavailable', 'the hub did not answer with a token');
  return { token: answer.token, receiver: typeof answer.receiver === 'string' ? answer.receiver : undefined };
}

/** The claims of a token that say what the page may offer. The hub checks the token itself. */
export interface Claims {
  /** Pattern to operations. Undefined for a token of an identity provider. */
  readonly capability: Readonly<Record<string, unknown>> | undefined;
  /** The tenant, if the token is for one. */
  readonly tenant: string | undefined;
  /** The stage of the hub. Undefined for a token of an identity provider. */
  readonly stage: string | undefined;
}

/** Returns the claims of a token, without a check. */
export function claimsOf(token: string): Claims {
  try {
    const part = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const claims: unknown = JSON.parse(atob(part));
    const { capability, tenant, aud } = isRecord(claims) ? claims : {};
    const [, stage] = /^tidings:(.+)$/.exec(typeof aud === 'string' ? aud : '') ?? [];
    return {
      stage,
      capability: isRecord(capability) ? capability : undefined,
      tenant: typeof tenant === 'string' ? tenant : undefined,
    };
  } catch {
    return { capability: undefined, tenant: undefined, stage: undefined };
  }
}

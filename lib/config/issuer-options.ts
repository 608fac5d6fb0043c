/**
 * The identity provider of a hub, from the four context keys that describe it (PROTOCOL.md §7.1).
 * @module
 */
import { type ClaimRules, type Issuer, parseClaimRules } from '../../protocol/issuer.ts';
import { type Context, PREFIX, readOption, refuse } from './context.ts';

export const ISSUER_OPTIONS = ['issuer', 'issuerAudience', 'jwksUrl', 'claims'] as const;

/** What `-c tidings:claims=…` and cdk.json say for none. */
const NONE = '';

/**
 * Undefined where none is configured.
 * @throws Error with one sentence that names the key, the value received and the values allowed
 */
export function parseIssuerOptions(context: Context): Issuer | undefined {
  const url = readOption(context, 'issuer', NONE, optional(issuerUrl));
  const audience = readOption(context, 'issuerAudience', NONE, optional(text));
  const jwksUrl = readOption(context, 'jwksUrl', NONE, optional(safeUrl));
  const claims = readOption(context, 'claims', NONE, optional(claimRules));
  if (url === undefined) {
    const stray = ISSUER_OPTIONS.find((name) => isGiven(context[PREFIX + name]));
    if (stray === undefined) return undefined;
    throw missing(
      'issuer',
      `the https URL of an identity provider, since "${PREFIX}${stray}" is of no use without`,
    );
  }
  // Without it, every token of the provider would be good here, whatever service it was made for.
  if (audience === undefined)
    throw missing('issuerAudience', `the "aud" that tokens of ${url} have for this hub`);
  if (claims === undefined)
    throw missing(
      'claims',
      'what tokens may do, such as {"claim":"scope","grants":{"admin":{"*":["publish"]}}}',
    );
  return { url, audience, claims, jwksUrl: jwksUrl ?? `${url.replace(/\/$/, '')}/.well-known/jwks.json` };
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== NONE;

const optional =
  <T>(parse: (value: unknown) => T) =>
  (value: unknown): T | undefined =>
    isGiven(value) ? parse(value) : undefined;

const missing = (name: string, allowed: string): Error =>
  new Error(`context key "${PREFIX}${name}" is missing: it must be ${allowed}`);

const text = (value: unknown): string => (typeof value === 'string' ? value : refuse('a text'));

/** As it was written: `iss` is compared to the letter. RFC 8414 §2 has it without a query, to which nothing can be appended. */
function issuerUrl(value: unknown): string {
  const url = safeUrl(value);
  return url.includes('?') ? refuse('a URL without a query') : url;
}

/** Keys that came without TLS could be anybody's. */
function safeUrl(value: unknown): string {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  if (typeof value !== 'string' || !url || !isSafe || `${url.username}${url.password}${url.hash}` !== '')
    return refuse('an https URL without user name and fragment (http on 127.0.0.1 and localhost alone)');
  return value;
}

const isLoopback = (host: string): boolean => ['127.0.0.1', '[::1]', 'localhost'].includes(host);

const claimRules = (value: unknown): ClaimRules =>
  parseClaimRules(typeof value === 'string' ? JSON.parse(value) : value);

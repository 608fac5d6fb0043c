/**
 * The identity provider of a hub, from the four options that describe it (PROTOCOL.md §7.1).
 * @module
 */
import { z } from 'zod';
import { type Issuer, parseClaimRules } from '../../protocol/issuer.ts';
import { allowed, jsonBy, type Naming, optional } from './context.ts';

const SAFE_URL = allowed(
  'an https URL without user name and fragment (http on 127.0.0.1 and localhost alone)',
);

/** TLS is required, because an attacker on the network could replace keys that come without it. */
const safeUrl = z.string(SAFE_URL).refine(isSafeUrl, SAFE_URL);

/** The options of the identity provider. All are undefined if there is none. */
export const ISSUER_OPTIONS = {
  /** `iss` of the tokens, byte for byte. RFC 8414 §2 has it without a query, because paths are appended to it. */
  issuer: optional(safeUrl.refine((url) => !url.includes('?'), allowed('a URL without a query'))),
  /** `aud` of the tokens for this hub. */
  issuerAudience: optional(z.string(allowed('a text'))),
  /** Where the public keys of the provider are. */
  jwksUrl: optional(safeUrl),
  /** The rights of tokens. */
  claims: optional(jsonBy(parseClaimRules)),
};

type IssuerOptions = z.output<z.ZodObject<typeof ISSUER_OPTIONS>>;

/**
 * Returns the identity provider, or undefined if none is configured.
 * @throws Error if an option is missing that the others need
 */
export function issuerOf(options: IssuerOptions, naming: Naming): Issuer | undefined {
  const { issuer: url, issuerAudience: audience, claims, jwksUrl } = options;
  if (url === undefined) {
    const [useless] = Object.entries(options).find(([, value]) => value !== undefined) ?? [];
    if (useless === undefined) return undefined;
    throw missing(
      naming,
      'issuer',
      `the https URL of an identity provider, since "${naming.prefix}${useless}" has no effect without it`,
    );
  }
  // Without an audience the hub would accept every token of the provider, whichever service it was made for.
  if (audience === undefined)
    throw missing(naming, 'issuerAudience', `the "aud" that tokens of ${url} have for this hub`);
  if (claims === undefined)
    throw missing(
      naming,
      'claims',
      'what tokens may do, such as {"claim":"scope","grants":{"admin":{"*":["publish"]}}}',
    );
  return { url, audience, claims, jwksUrl: jwksUrl ?? `${url.replace(/\/$/, '')}/.well-known/jwks.json` };
}

const missing = ({ kind, prefix }: Naming, name: string, values: string): Error =>
  new Error(`${kind} "${prefix}${name}" is missing: it must be ${values}`);

function isSafeUrl(text: string): boolean {
  const url = URL.parse(text);
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  return isSafe && `${url.username}${url.password}${url.hash}` === '';
}

const isLoopback = (host: string): boolean => ['127.0.0.1', '[::1]', 'localhost'].includes(host);

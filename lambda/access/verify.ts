/**
 * Who is calling, and what may they do (PROTOCOL.md §7). The one place that verifies tokens, for every door.
 * @module
 */
import { allows, type Capability, type Operation } from '../../protocol/capability.ts';
import { Refusal } from '../../protocol/errors.ts';
import { EDGE_TOKEN } from '../../protocol/headers.ts';
import { isOwnChannel } from '../../protocol/webhooks.ts';
import { type Caller, NOBODY } from './caller.ts';
import { type OwnKeys, ownCaller } from './hub-tokens.ts';
import { issuedCaller, type TrustedIssuer } from './issuer-tokens.ts';
import { unverifiedClaims } from './token-form.ts';

export interface AccessOptions extends OwnKeys {
  /** What callers may do without a token. */
  readonly anonymous: Capability;
  /** The identity provider whose tokens are taken beside the hub's own, if there is one. */
  readonly issuer?: TrustedIssuer;
}

export interface Access {
  /**
   * Who a request comes from. A caller with a token may do what anonymous callers may, too; a bad token is refused
   * even where none is needed, so that its holder learns of it.
   * @throws Refusal unauthorized; unavailable where the keys to verify it with cannot be had
   */
  readonly identify: (headers: Headers) => Promise<Caller>;
  /** Who a token was made for. @throws Refusal as `identify` does */
  readonly verify: (token: string) => Promise<Caller>;
  /**
   * Also of a pattern: then it must be allowed on all that the pattern matches.
   * @throws Refusal unauthorized without a token, forbidden with one: never depending on whether the channel exists
   */
  readonly require: (
    operation: Operation,
    channel: string,
    caller: Pick<Caller, 'capability' | 'allowedUntil'>,
  ) => void;
  /** True if `require` would let it pass. */
  readonly may: (operation: Operation, channel: string, caller: Pick<Caller, 'capability'>) => boolean;
  /** True if there is any channel that the caller may do it on. */
  readonly mayAnywhere: (operation: Operation, caller: Pick<Caller, 'capability'>) => boolean;
  /** True if callers without a token may do anything at all. */
  readonly isOpen: boolean;
  /** True if everyone may, so that shared caches may keep the answer. */
  readonly isPublic: (operation: Operation, channel: string) => boolean;
}

export function accessTo(options: AccessOptions): Access {
  const { anonymous } = options;
  const verify = (token: string) => callerOf(token, options);
  const may: Access['may'] = (operation, channel, { capability }) =>
    allows(operation, channel, capability, anonymous) && !isReserved(operation, channel);
  return {
    verify,
    may,
    mayAnywhere: (operation, { capability }) =>
      [capability, anonymous].some((granted) =>
        Object.values(granted).some((operations) => operations.includes(operation)),
      ),
    async identify(headers) {
      const authorization = authorizationIn(headers);
      if (authorization === null) return NOBODY;
      const [scheme, token, ...rest] = authorization.split(' ');
      if (scheme?.toLowerCase() !== 'bearer' || !token || rest.length > 0) {
        throw new Refusal('unauthorized', 'the Authorization header must be "Bearer <token>"');
      }
      return await verify(token);
    },
    require(operation, channel, { capability, allowedUntil }) {
      if (may(operation, channel, { capability })) return;
      // A token would not help who has all the rights that there are.
      const isGranted = allows(operation, channel, capability, anonymous);
      if (isGranted) throw new Refusal('forbidden', `${operation} below "tidings/" is for the hub alone`);
      if (allowedUntil === undefined)
        throw new Refusal('unauthorized', 'a token is needed: Authorization: Bearer <token>');
      throw new Refusal('forbidden', `the token does not allow ${operation} on this channel`);
    },
    isPublic: (operation, channel) => allows(operation, channel, anonymous),
    isOpen: Object.keys(anonymous).length > 0,
  };
}

/** Begins a SigV4 signature. Lambda or CloudFront has verified it, and it is no token of the hub. */
const AWS_SIGNATURE = 'AWS4-HMAC-SHA256 ';

/**
 * Returns what the caller sent as Authorization, null if nothing. The edge moves it to a header of the hub, because CloudFront
 * signs requests in Authorization. If a request has both, the hub's own header counts. A caller that does not use the edge may
 * set either header. That is no risk, because the token itself is signed.
 */
export function authorizationIn(headers: Headers): string | null {
  const own = headers.get(EDGE_TOKEN);
  if (own !== null) return own;
  const authorization = headers.get('authorization');
  return authorization?.startsWith(AWS_SIGNATURE) ? null : authorization;
}

/**
 * True for what is the hub's own, whatever a token allows: who could publish there could tell the owner of an endpoint
 * lies about it, in the hub's name.
 */
const isReserved = (operation: Operation, channel: string): boolean =>
  (operation === 'publish' || operation === 'manage') && isOwnChannel(channel);

/** @throws Refusal unauthorized, in the same words whatever is wrong */
async function callerOf(token: string, options: AccessOptions): Promise<Caller> {
  const claims = unverifiedClaims(token);
  const caller = claims && (await verified(token, claims.iss, options));
  // JSON can write half of a surrogate pair, which no store keeps and no URL can name: its sockets could not be ended.
  if (caller && (caller.principal ?? '').isWellFormed()) return caller;
  throw new Refusal('unauthorized', 'the token is expired, not yet valid, forged, or for another hub');
}

/** The one who is said to have signed it is asked, and nobody else: a token of one never passes for another's. */
async function verified(token: string, issuer: unknown, options: AccessOptions): Promise<Caller | undefined> {
  if (issuer === undefined) return await ownCaller(token, options);
  if (options.issuer?.url !== issuer) return undefined;
  return await issuedCaller(token, options.issuer, options.clock);
}

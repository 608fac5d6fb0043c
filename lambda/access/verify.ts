/**
 * Identifies callers and checks their permissions (PROTOCOL.md §7). All handlers verify tokens here.
 * @module
 */
import { allows, type Capability, type Operation } from '../../protocol/capability.ts';
import { Refusal } from '../../protocol/errors.ts';
import { EDGE_TOKEN } from '../../protocol/headers.ts';
import { channelOfPresence } from '../../protocol/presence.ts';
import { isOwnChannel } from '../../protocol/webhooks.ts';
import { ANONYMOUS, type Caller } from './caller.ts';
import { type OwnKeys, ownCaller } from './hub-tokens.ts';
import { issuedCaller, type TrustedIssuer } from './issuer-tokens.ts';
import { unverifiedClaims } from './token-form.ts';

/** The parts that verify tokens. */
export interface AccessOptions extends OwnKeys {
  /** The capability of callers without a token. Callers with a token have it, too. */
  readonly anonymous: Capability;
  /** The identity provider whose tokens are accepted beside those of the hub. */
  readonly issuer?: TrustedIssuer;
}

/** Identifies callers and checks their permissions. */
export interface Access {
  /**
   * Returns the caller of a request. A bad token is refused even where none is needed, so that its holder learns of it.
   * @throws Refusal unauthorized; unavailable if the keys that verify the token are unavailable
   */
  readonly identify: (headers: Headers) => Promise<Caller>;
  /** Returns the holder of a token. @throws Refusal as `identify` does */
  readonly verify: (token: string) => Promise<Caller>;
  /**
   * Checks a permission on a channel, or on all channels of a pattern. The result does not depend on whether a channel exists.
   * @throws Refusal unauthorized without a token, forbidden with one
   */
  readonly require: (
    operation: Operation,
    channel: string,
    caller: Pick<Caller, 'capability' | 'allowedUntil'>,
  ) => void;
  /** Returns true if `require` would not throw. */
  readonly may: (operation: Operation, channel: string, caller: Pick<Caller, 'capability'>) => boolean;
  /** Returns true if the caller is allowed the operation on any channel. */
  readonly mayAnywhere: (operation: Operation, caller: Pick<Caller, 'capability'>) => boolean;
  /** True if callers without a token may do anything at all. */
  readonly isOpen: boolean;
  /** Returns true if every caller is allowed the operation, so that shared caches may store the answer. */
  readonly isPublic: (operation: Operation, channel: string) => boolean;
}

/** Makes the part that identifies callers and checks their permissions. */
export function accessTo(options: AccessOptions): Access {
  const { anonymous } = options;
  const verify = (token: string) => callerOf(token, options);
  const may: Access['may'] = (operation, channel, { capability }) =>
    isGranted(operation, channel, capability, anonymous) && !isReserved(operation, channel);
  return {
    verify,
    may,
    mayAnywhere: (operation, { capability }) =>
      [capability, anonymous].some((granted) =>
        Object.values(granted).some((operations) => operations.includes(operation)),
      ),
    async identify(headers) {
      const authorization = authorizationIn(headers);
      if (authorization === null) return ANONYMOUS;
      const [scheme, token, ...rest] = authorization.split(' ');
      if (scheme?.toLowerCase() !== 'bearer' || !token || rest.length > 0) {
        throw new Refusal('unauthorized', 'the Authorization header must be "Bearer <token>"');
      }
      return await verify(token);
    },
    require(operation, channel, { capability, allowedUntil }) {
      if (may(operation, channel, { capability })) return;
      // Below "tidings/" no token helps, so the refusal does not ask for one.
      if (isGranted(operation, channel, capability, anonymous))
        throw new Refusal('forbidden', `${operation} below "tidings/" is for the hub alone`);
      if (allowedUntil === undefined)
        throw new Refusal('unauthorized', 'a token is needed: Authorization: Bearer <token>');
      throw new Refusal('forbidden', `the token does not allow ${operation} on this channel`);
    },
    isPublic: (operation, channel) => isGranted(operation, channel, anonymous),
    isOpen: Object.keys(anonymous).length > 0,
  };
}

/** Returns true if a capability grants the operation. A caller that may read a channel may read its members (PROTOCOL.md §14). */
function isGranted(operation: Operation, channel: string, ...capabilities: readonly Capability[]): boolean {
  const about = operation === 'subscribe' ? channelOfPresence(channel) : undefined;
  const names = about === undefined ? [channel] : [channel, about];
  return names.some((name) => allows(operation, name, ...capabilities));
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
 * Returns true for channels that only the hub may write, whatever a token allows. A caller that could publish there could send
 * the owner of an endpoint false notices in the hub's name.
 */
const isReserved = (operation: Operation, channel: string): boolean =>
  (operation === 'publish' || operation === 'manage') && isOwnChannel(channel);

/** Returns the holder of a token. @throws Refusal unauthorized, always with the same message */
async function callerOf(token: string, options: AccessOptions): Promise<Caller> {
  const claims = unverifiedClaims(token);
  const caller = claims && (await verified(token, claims.iss, options));
  // JSON can contain half of a surrogate pair. No store keeps it and no URL can name it, so the connections of such a principal
  // could not be ended.
  if (caller && (caller.principal ?? '').isWellFormed()) return caller;
  throw new Refusal('unauthorized', 'the token is expired, not yet valid, forged, or for another hub');
}

/** Only the named issuer verifies a token, so that a token of one issuer never counts as a token of another. */
async function verified(token: string, issuer: unknown, options: AccessOptions): Promise<Caller | undefined> {
  if (issuer === undefined) return await ownCaller(token, options);
  if (options.issuer?.url !== issuer) return undefined;
  return await issuedCaller(token, options.issuer, options.clock);
}

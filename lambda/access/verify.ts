/**
 * Who is calling, and what may they do (PROTOCOL.md §7). The one place that verifies tokens, for every door.
 * @module
 */
import { type JWTPayload, jwtVerify } from 'jose';
import { allows, type Capability, type Operation, parseCapability } from '../../protocol/capability.ts';
import { Refusal } from '../../protocol/errors.ts';
import { TOKEN_LEEWAY_SECONDS } from '../../protocol/limits.ts';
import { isOwnChannel } from '../../protocol/webhooks.ts';

/** The keys that a token may be signed with, the current one first. */
export type KeySource = () => Promise<readonly Uint8Array[]>;

export interface AccessOptions {
  readonly keys: KeySource;
  /** This hub and stage: a token for another one is refused. */
  readonly audience: string;
  /** What callers may do without a token. */
  readonly anonymous: Capability;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** The header that the token comes in: another than Authorization where the front door needs that for itself. */
  readonly header?: string;
}

/** What a token says of its holder. */
export interface Caller {
  readonly capability: Capability;
  /** Who the token was made for (`sub`), if it says so. */
  readonly principal: string | undefined;
  /** When the token ends, leeway and all, in milliseconds. Undefined for a caller without a token. */
  readonly allowedUntil: number | undefined;
}

export interface Access {
  /**
   * Who a request comes from. A caller with a token may do what anonymous callers may, too; a bad token is refused
   * even where none is needed, so that its holder learns of it.
   * @throws Refusal unauthorized
   */
  readonly identify: (headers: Headers) => Promise<Caller>;
  /** Who a token was made for. @throws Refusal unauthorized */
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

export const NOBODY: Caller = { capability: {}, principal: undefined, allowedUntil: undefined };

export function accessTo(options: AccessOptions): Access {
  const { anonymous, header = 'authorization' } = options;
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
      const authorization = headers.get(header);
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

/**
 * True for what is the hub's own, whatever a token allows: who could publish there could tell the owner of an endpoint
 * lies about it, in the hub's name.
 */
const isReserved = (operation: Operation, channel: string): boolean =>
  (operation === 'publish' || operation === 'manage') && isOwnChannel(channel);

/** @throws Refusal unauthorized */
export async function callerOf(
  token: string,
  { keys, audience, clock }: Pick<AccessOptions, 'keys' | 'audience' | 'clock'>,
): Promise<Caller> {
  for (const key of await keys()) {
    const payload = await payloadOf(token, key, audience, clock());
    if (payload) {
      return {
        capability: parseCapability(payload.capability),
        principal: payload.sub,
        allowedUntil: ((payload.exp ?? 0) + TOKEN_LEEWAY_SECONDS) * 1_000,
      };
    }
  }
  throw new Refusal('unauthorized', 'the token is expired, not yet valid, forged, or for another hub');
}

/** The claims of a token that this key signed for this hub. */
export async function payloadOf(
  token: string,
  key: Uint8Array,
  audience: string,
  now: number,
): Promise<JWTPayload | undefined> {
  try {
    const { payload } = await jwtVerify(token, key, {
      // Pinned: the token's own header must never choose the algorithm (CVE-2026-22817 and its kind).
      algorithms: ['HS256'],
      audience,
      requiredClaims: ['exp', 'capability'],
      clockTolerance: TOKEN_LEEWAY_SECONDS,
      currentDate: new Date(now),
    });
    parseCapability(payload.capability);
    return payload;
  } catch {
    // Which check failed is no help to an honest caller and much to another.
    return undefined;
  }
}

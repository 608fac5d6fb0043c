/**
 * Who is calling, and what may they do (PROTOCOL.md §7). The one place that verifies tokens, for every door.
 * @module
 */
import { jwtVerify } from 'jose';
import { allows, type Capability, type Operation, parseCapability } from '../../protocol/capability.ts';
import { Refusal } from '../../protocol/errors.ts';
import { TOKEN_LEEWAY_SECONDS } from '../../protocol/limits.ts';

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

export interface Access {
  /**
   * The capability of a caller. A caller with a token may do what anonymous callers may, too; a bad token is refused
   * even where none is needed, so that its holder learns of it.
   * @throws Refusal unauthorized
   */
  readonly identify: (headers: Headers) => Promise<Capability>;
  /** @throws Refusal unauthorized without a token, forbidden with one: never depending on whether the channel exists */
  readonly require: (operation: Operation, channel: string, caller: Capability) => void;
  /** True if everyone may, so that shared caches may keep the answer. */
  readonly isPublic: (operation: Operation, channel: string) => boolean;
}

/** The capability of a caller without a token. Its identity tells it from a token's that grants nothing. */
const NOBODY: Capability = {};

export function accessTo({
  keys,
  audience,
  anonymous,
  clock,
  header = 'authorization',
}: AccessOptions): Access {
  return {
    async identify(headers) {
      const authorization = headers.get(header);
      if (authorization === null) return NOBODY;
      const [scheme, token, ...rest] = authorization.split(' ');
      if (scheme?.toLowerCase() !== 'bearer' || !token || rest.length > 0) {
        throw new Refusal('unauthorized', 'the Authorization header must be "Bearer <token>"');
      }
      for (const key of await keys()) {
        const capability = await capabilityOf(token, key, audience, clock());
        if (capability) return capability;
      }
      throw new Refusal('unauthorized', 'the token is expired, not yet valid, forged, or for another hub');
    },
    require(operation, channel, caller) {
      if (allows(operation, channel, caller, anonymous)) return;
      if (caller === NOBODY)
        throw new Refusal('unauthorized', 'a token is needed: Authorization: Bearer <token>');
      throw new Refusal('forbidden', `the token does not allow ${operation} on this channel`);
    },
    isPublic: (operation, channel) => allows(operation, channel, anonymous),
  };
}

async function capabilityOf(
  token: string,
  key: Uint8Array,
  audience: string,
  now: number,
): Promise<Capability | undefined> {
  try {
    const { payload } = await jwtVerify(token, key, {
      // Pinned: the token's own header must never choose the algorithm (CVE-2026-22817 and its kind).
      algorithms: ['HS256'],
      audience,
      requiredClaims: ['exp', 'capability'],
      clockTolerance: TOKEN_LEEWAY_SECONDS,
      currentDate: new Date(now),
    });
    return parseCapability(payload.capability);
  } catch {
    // Which check failed is no help to an honest caller and much to another.
    return undefined;
  }
}

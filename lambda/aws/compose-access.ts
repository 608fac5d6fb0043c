/**
 * Who may, in a deployed hub: keys from Secrets Manager and from the identity provider, the rest from the configuration.
 * @module
 */
import { parseCapability } from '../../protocol/capability.ts';
import { Refusal } from '../../protocol/errors.ts';
import { type Issuer, parseIssuer } from '../../protocol/issuer.ts';
import { cached } from '../access/cached-keys.ts';
import type { TrustedIssuer } from '../access/issuer-tokens.ts';
import { fetchKeySet } from '../access/key-set.ts';
import { type Access, accessTo } from '../access/verify.ts';
import { logDefect } from './telemetry/telemetry.ts';
import { tokenKeysInSecretsManager } from './token-keys.ts';

export interface AccessSettings {
  readonly TOKEN_SECRET_ARN: string;
  readonly TOKEN_AUDIENCE: string;
  readonly ANONYMOUS: string;
  readonly ISSUER: string;
}

/** How long keys of an identity provider are used before they are looked up again, in milliseconds. */
const KEYS_KEPT_MS = 10 * 60_000;

export function accessInAws(settings: AccessSettings): Access {
  const issuer = parseIssuer(JSON.parse(settings.ISSUER));
  return accessTo({
    ...(issuer && { issuer: trusted(issuer) }),
    keys: tokenKeysInSecretsManager(settings.TOKEN_SECRET_ARN, Date.now),
    audience: settings.TOKEN_AUDIENCE,
    anonymous: parseCapability(JSON.parse(settings.ANONYMOUS)),
    clock: Date.now,
  });
}

function trusted(issuer: Issuer): TrustedIssuer {
  const lookUp = async () => {
    try {
      return await fetchKeySet(issuer.jwksUrl);
    } catch (error) {
      // The operator may have to do something. The caller can only wait.
      logDefect(error, { fetching: issuer.jwksUrl });
      throw new Refusal('unavailable', 'the keys of the identity provider cannot be had; retry');
    }
  };
  return { ...issuer, keys: cached({ lookUp, keptMs: KEYS_KEPT_MS, clock: Date.now }) };
}

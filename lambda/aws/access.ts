/**
 * Who may, in a deployed hub: keys from Secrets Manager, the anonymous capability from the configuration.
 * @module
 */
import { parseCapability } from '../../protocol/capability.ts';
import { type Access, accessTo } from '../access/verify.ts';
import { tokenKeysInSecretsManager } from './token-keys.ts';

export interface AccessSettings {
  readonly TOKEN_SECRET_ARN: string;
  readonly TOKEN_AUDIENCE: string;
  readonly ANONYMOUS: string;
}

/** @param header what the token comes in, if not in Authorization */
export function accessInAws(settings: AccessSettings, header?: string): Access {
  return accessTo({
    ...(header === undefined ? {} : { header }),
    keys: tokenKeysInSecretsManager(settings.TOKEN_SECRET_ARN, Date.now),
    audience: settings.TOKEN_AUDIENCE,
    anonymous: parseCapability(JSON.parse(settings.ANONYMOUS)),
    clock: Date.now,
  });
}

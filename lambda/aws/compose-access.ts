/**
 * Composes the verification of callers for AWS: keys come from Secrets Manager and from the identity provider, the other settings
 * from environment variables.
 * @module
 */
import { randomUUID } from 'node:crypto';
import { parseCapability } from '../../protocol/capability.ts';
import { Refusal } from '../../protocol/errors.ts';
import { type Issuer, parseIssuer } from '../../protocol/issuer.ts';
import { cached } from '../access/cached-keys.ts';
import type { TrustedIssuer } from '../access/issuer-tokens.ts';
import { fetchKeySet } from '../access/key-set.ts';
import { type Origins, parseOrigins } from '../access/origins.ts';
import { type CursorSeal, cursorSeal, type SealedList } from '../access/sealed-cursor.ts';
import { type Tickets, ticketsOf } from '../access/ticket.ts';
import { type Access, accessTo } from '../access/verify.ts';
import type { DocumentClient } from './calls/document-calls.ts';
import { usedTicketsInDynamoDb } from './dynamodb/keys-table.ts';
import { logDefect, logRefusal } from './telemetry/telemetry.ts';
import { tokenKeysInSecretsManager } from './token-keys.ts';

/** The variables of `accessEnv` (lambda/env.ts). */
export interface AccessSettings {
  /** The secret with the signing keys. */
  readonly TOKEN_SECRET_ARN: string;
  /** The audience of tokens for this hub and stage. */
  readonly TOKEN_AUDIENCE: string;
  /** The capability of callers without a token, in JSON. */
  readonly ANONYMOUS: string;
  /** The identity provider, in JSON; `null` if there is none. */
  readonly ISSUER: string;
}

/** The variables of `accessEnv` and `originsEnv` (lambda/env.ts). */
export interface CallerSettings extends AccessSettings {
  /** The pages that may call: `*`, or exact origins separated by commas. */
  readonly ORIGINS: string;
}

/** The parts that every handler for callers has. */
export interface CallerParts {
  /** Identifies callers and checks their permissions. */
  readonly access: Access;
  /** Pages that may call. */
  readonly origins: Origins;
  /** Reports a fault of the hub itself. */
  readonly logDefect: typeof logDefect;
  /** Reports a request that was refused. */
  readonly logRefusal: typeof logRefusal;
}

/** Returns the parts that every handler for callers has. */
export const callersInAws = (settings: CallerSettings): CallerParts => ({
  access: accessInAws(settings),
  origins: parseOrigins(settings.ORIGINS),
  logDefect,
  logRefusal,
});

/** How long keys of an identity provider are used before they are looked up again, in milliseconds. */
const CACHED_MS = 10 * 60_000;

/**
 * Returns the verifier of tokens.
 * @throws Error if ANONYMOUS or ISSUER is not what lib/config wrote
 */
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
      // The error is logged, because the operator may have to act. The caller can only retry.
      logDefect(error, { fetching: issuer.jwksUrl });
      throw new Refusal('unavailable', 'the keys of the identity provider are unavailable; retry');
    }
  };
  return { ...issuer, keys: cached({ lookUp, maxAgeMs: CACHED_MS, clock: Date.now }) };
}

/** Returns the seal of the cursors of a list. */
export const cursorsInAws = (
  { TOKEN_SECRET_ARN }: Pick<AccessSettings, 'TOKEN_SECRET_ARN'>,
  list: SealedList,
): CursorSeal => cursorSeal(tokenKeysInSecretsManager(TOKEN_SECRET_ARN, Date.now), list);

/** Returns the part that issues and redeems tickets. The Keys table remembers the used ones. */
export const ticketsInAws = (
  { TOKEN_SECRET_ARN, TOKEN_AUDIENCE, KEYS_TABLE }: AccessSettings & { readonly KEYS_TABLE: string },
  client: DocumentClient,
): Tickets =>
  ticketsOf({
    keys: tokenKeysInSecretsManager(TOKEN_SECRET_ARN, Date.now),
    audience: TOKEN_AUDIENCE,
    clock: Date.now,
    newId: randomUUID,
    use: usedTicketsInDynamoDb(client, KEYS_TABLE),
  });

/**
 * An identity provider whose tokens the hub accepts, and what its tokens allow (PROTOCOL.md §7.1).
 * @module
 */
import { type Capability, parseCapability } from './capability.ts';
import { isPattern } from './channel-name.ts';
import { fieldsOf } from './fields.ts';

/** An identity provider. */
export interface Issuer {
  /** The exact `iss` of its tokens. */
  readonly url: string;
  /** The `aud` of the tokens for this hub. */
  readonly audience: string;
  /** The URL of its public keys. */
  readonly jwksUrl: string;
  /** The rights that its tokens give. */
  readonly claims: ClaimRules;
}

/** The rules that turn claims into capabilities. */
export interface ClaimRules {
  /** The claim whose values grant something. */
  readonly claim: string;
  /** Value → what it grants. A value that is not listed grants nothing. */
  readonly grants: Readonly<Record<string, Capability>>;
  /** The claim that names the tenant. The grants apply below its name. Undefined without tenants. */
  readonly tenant: string | undefined;
}

const MEMBERS = ['claim', 'grants', 'tenant'];

/**
 * Returns untrusted JSON as rules.
 * @throws Error with one sentence that names the first mistake
 */
export function parseClaimRules(value: unknown): ClaimRules {
  const { claim, grants, tenant } = fieldsOf(value);
  const unknown = Object.keys(fieldsOf(value)).find((name) => !MEMBERS.includes(name));
  if (unknown !== undefined)
    throw new Error(`the members are ${MEMBERS.join(', ')}, got ${JSON.stringify(unknown)}`);
  if (!isText(claim)) throw new Error(`"claim" must be the name of a claim, got ${JSON.stringify(claim)}`);
  if (tenant !== undefined && !isText(tenant))
    throw new Error(`"tenant" must be the name of a claim or be left out, got ${JSON.stringify(tenant)}`);
  if (typeof grants !== 'object' || grants === null || Array.isArray(grants))
    throw new Error(
      `"grants" must be a JSON object of value to capability, such as {"admin":{"*":["publish"]}}, got ${JSON.stringify(grants)}`,
    );
  return { claim, tenant, grants: parseGrants(grants, tenant !== undefined) };
}

/**
 * Returns the identity provider that a function's environment names, or undefined for `null`.
 * @throws Error if the value has another form, which is a mistake in the wiring
 */
export function parseIssuer(value: unknown): Issuer | undefined {
  if (value === null) return undefined;
  const { url, audience, jwksUrl, claims } = fieldsOf(value);
  if (!isText(url) || !isText(audience) || !isText(jwksUrl)) throw new Error('this is no identity provider');
  return { url, audience, jwksUrl, claims: parseClaimRules(claims) };
}

function parseGrants(grants: object, hasTenants: boolean): Readonly<Record<string, Capability>> {
  // Without a prototype, a token with the value "constructor" finds only what was granted.
  const parsed: Record<string, Capability> = Object.create(null);
  for (const [value, granted] of Object.entries(grants)) {
    const capability = parseCapability(granted);
    const tooLong = Object.keys(capability).find((pattern) => hasTenants && !isPattern(`t/${pattern}`));
    if (tooLong !== undefined)
      throw new Error(`the pattern "${tooLong}" of "${value}" leaves no room for the tenant before it`);
    parsed[value] = capability;
  }
  return parsed;
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/**
 * An identity provider whose tokens a hub takes, and what they allow (PROTOCOL.md §7.1).
 * @module
 */
import { type Capability, parseCapability } from './capability.ts';
import { isPattern } from './channel-name.ts';
import { fieldsOf } from './fields.ts';

export interface Issuer {
  /** The `iss` of its tokens, to the letter. */
  readonly url: string;
  /** The `aud` of those that are for this hub. */
  readonly audience: string;
  /** Where its public keys are. */
  readonly jwksUrl: string;
  readonly claims: ClaimRules;
}

export interface ClaimRules {
  /** The claim whose values grant something. */
  readonly claim: string;
  /** Value → what it grants. A value that is not listed grants nothing. */
  readonly grants: Readonly<Record<string, Capability>>;
  /** The claim that names the tenant below which all of that holds; undefined where there are no tenants. */
  readonly tenant: string | undefined;
}

const MEMBERS = ['claim', 'grants', 'tenant'];

/**
 * Narrows untrusted JSON to rules.
 * @throws Error with one sentence that names the first thing that is wrong
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

/** @throws Error what the environment of a function has in its place is a wiring mistake */
export function parseIssuer(value: unknown): Issuer | undefined {
  if (value === null) return undefined;
  const { url, audience, jwksUrl, claims } = fieldsOf(value);
  if (!isText(url) || !isText(audience) || !isText(jwksUrl)) throw new Error('this is no identity provider');
  return { url, audience, jwksUrl, claims: parseClaimRules(claims) };
}

function parseGrants(grants: object, hasTenants: boolean): Readonly<Record<string, Capability>> {
  // No prototype: a token whose value is "constructor" must not find anything that nobody granted.
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

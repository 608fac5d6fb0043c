/**
 * A tenant's token allows nothing outside its tenant, whatever its capability (PROTOCOL.md §7, §7.1).
 * @module
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { capabilityBy } from '../../../lambda/access/issuer-tokens.ts';
import { sign } from '../../../lambda/access/sign-token.ts';
import { accessTo } from '../../../lambda/access/verify.ts';
import { type Capability, OPERATIONS, parseCapability } from '../../../protocol/capability.ts';
import { isPattern } from '../../../protocol/channel-name.ts';

const NOW = Date.UTC(2026, 0, 1);
const AUDIENCE = 'tidings:dev';
const keys = async () => [Buffer.alloc(64, 'c')];
const access = accessTo({ keys, audience: AUDIENCE, anonymous: {}, clock: () => NOW });

/** Names that are easily confused. */
const segment = fc.constantFrom(
  'acme',
  'acme2',
  'acm',
  'ACME',
  'a',
  'b',
  'tidings',
  'constructor',
  '__proto__',
  '~',
);
const name = fc.array(segment, { minLength: 1, maxLength: 8 }).map((segments) => segments.join('/'));
const pattern = fc.oneof(
  name,
  name.map((prefix) => `${prefix}/*`),
  fc.constant('*'),
);
const operations = fc.uniqueArray(fc.constantFrom(...OPERATIONS));
const capabilities = fc.dictionary(pattern.filter(isPattern), operations).map(parseCapability);
const tenants = fc.constantFrom('acme', 'a', 'constructor', '~');
const asked = pattern.filter(isPattern);

async function callerOf(capability: Capability, tenant: string) {
  const claims = { tenant, sub: 'someone' };
  const token = await sign(keys, { audience: AUDIENCE, capability, until: NOW + 60_000, claims });
  return await access.verify(token);
}

describe('a token of the hub’s own', () => {
  test('allows nothing outside its tenant, and inside only its capability', async () => {
    await fc.assert(
      fc.asyncProperty(capabilities, tenants, asked, async (capability, tenant, channel) => {
        const caller = await callerOf(capability, tenant);
        const within = Object.fromEntries(
          Object.entries(capability).filter(([granted]) => granted.startsWith(`${tenant}/`)),
        );
        for (const operation of OPERATIONS) {
          const may = access.may(operation, channel, caller);
          if (!channel.startsWith(`${tenant}/`)) expect(may).toBe(false);
          expect(may).toBe(access.may(operation, channel, { capability: within }));
        }
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['*', 'acme/a', false],
    ['acme', 'acme', false],
    ['acme*', 'acme/a', undefined],
    ['acme/*', 'acme/a', true],
    ['acme/*', 'acme/*', true],
    ['acme/*', 'acme', false],
    ['acme/*', 'acme2/a', false],
    ['acme2/*', 'acme2/a', false],
    ['acme/../b/*', 'b/a', undefined],
    ['b/*', 'b/acme/a', false],
  ])('of acme, with %s: %s is %s', async (granted, channel, expected) => {
    const verified = callerOf({ [granted]: ['subscribe'] }, 'acme').then(
      (caller) => access.may('subscribe', channel, caller),
      () => undefined,
    );
    expect(await verified).toBe(expected);
  });
});

describe('a token of the provider', () => {
  const rules = (grants: Readonly<Record<string, Capability>>) => ({ claim: 'scope', grants, tenant: 'org' });

  test('allows below its tenant what is granted to every tenant, and nothing outside', () => {
    fc.assert(
      fc.property(capabilities, tenants, asked, (granted, tenant, channel) => {
        const capability = capabilityBy(rules({ x: granted }), { scope: 'x', org: tenant }) ?? {};
        expect(Object.keys(capability).every((own) => isPattern(own) && own.startsWith(`${tenant}/`))).toBe(
          true,
        );
        for (const operation of OPERATIONS) {
          const may = access.may(operation, channel, { capability });
          if (!channel.startsWith(`${tenant}/`)) expect(may).toBe(false);
          const below = `${tenant}/${channel}`;
          if (!isPattern(below)) continue;
          expect(access.may(operation, below, { capability })).toBe(
            access.may(operation, `x/${channel}`, { capability: prefixed(granted) }),
          );
        }
      }),
      { numRuns: 500 },
    );
  });

  test.each([undefined, null, '', 'a/b', '*', '.', '..', 'acme ', 'acmé', 7, ['acme'], { a: 1 }, 'tidings'])(
    'whose tenant is %j allows nothing',
    (org) => {
      expect(capabilityBy(rules({ x: { '*': ['publish'] } }), { scope: 'x', org })).toBeUndefined();
    },
  );
});

/** Returns the same grants below another name, which is not reserved. */
const prefixed = (capability: Capability): Capability =>
  Object.fromEntries(
    Object.entries(capability)
      .map(([granted, allowed]) => [`x/${granted}`, allowed] as const)
      .filter(([moved]) => isPattern(moved)),
  );

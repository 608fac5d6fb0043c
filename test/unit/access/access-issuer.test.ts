/**
 * Tokens of an identity provider (PROTOCOL.md §7.1): what they allow, and what happens while its keys are unavailable.
 * @module
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { cached } from '../../../lambda/access/cached-keys.ts';
import { capabilityBy } from '../../../lambda/access/issuer-tokens.ts';
import { type KeySet, keySetOf } from '../../../lambda/access/key-set.ts';
import { accessTo } from '../../../lambda/access/verify.ts';
import { Refusal } from '../../../protocol/errors.ts';
import { parseClaimRules, parseIssuer } from '../../../protocol/issuer.ts';
import { type IssuerKey, issue, newIssuerKey } from '../../support/access/issuer.ts';

const [first, second] = [await newIssuerKey('ES256'), await newIssuerKey('ES256')];

describe('the capability of the values of a claim', () => {
  const rules = parseClaimRules({
    claim: 'groups',
    grants: {
      admin: { '*': ['publish', 'subscribe'] },
      trader: { 'prices/*': ['subscribe'], orders: ['publish'] },
      clerk: { orders: ['subscribe'] },
      'Sales Team': { sales: ['subscribe'] },
    },
  });
  const trader = { 'prices/*': ['subscribe'], orders: ['publish'] };

  test.each([
    ['a text', 'trader', trader],
    ['words', 'openid trader email', trader],
    ['a list', ['openid', 'trader'], trader],
    ['several that grant', ['trader', 'clerk'], { ...trader, orders: ['publish', 'subscribe'] }],
    ['the same twice', ['trader', 'trader'], trader],
    ['a member of a list, with a space', ['Sales Team'], { sales: ['subscribe'] }],
    ['words that are one value', 'Sales Team', {}],
    ['a member of a list that has words', ['openid trader'], {}],
    ['none', undefined, {}],
    ['null', null, {}],
    ['an empty text', '', {}],
    ['an empty list', [], {}],
    ['another case', 'Trader', {}],
    ['a number', 7, {}],
    ['an object', { trader: true }, {}],
    ['a list in a list', [['trader']], {}],
    ['what every object has', ['constructor', '__proto__', 'toString'], {}],
  ])('%s', (_name, groups, expected) => {
    expect({ ...capabilityBy(rules, { groups, capability: { '*': ['manage'] } }) }).toEqual(expected);
  });

  test('a claim named like a member of every object is read from the token only', () => {
    const odd = parseClaimRules({
      claim: 'constructor',
      tenant: '__proto__',
      grants: { Object: { a: ['publish'] } },
    });
    expect(capabilityBy(odd, {})).toBeUndefined();
    const said = { constructor: 'Object', ['__proto__']: 'acme' };
    expect({ ...capabilityBy(odd, said) }).toEqual({ 'acme/a': ['publish'] });
  });
});

test('an issuer is read from the environment unchanged, and other values are refused', () => {
  const issuer = {
    url: 'https://idp.example',
    audience: 'hub',
    jwksUrl: 'https://idp.example/keys',
    claims: parseClaimRules({ claim: 'scope', grants: { a: { b: ['publish'] } }, tenant: 'org' }),
  };
  const passed: unknown = JSON.parse(JSON.stringify(issuer));
  expect(parseIssuer(passed)).toEqual(issuer);
  expect(parseIssuer(null)).toBeUndefined();
  for (const odd of [undefined, {}, { ...issuer, url: '' }, { ...issuer, claims: {} }])
    expect(() => parseIssuer(odd)).toThrow();
});

describe('while keys change or are unavailable', () => {
  const MINUTE_MS = 60_000;
  let now: number;
  let fetched: number;
  let published: IssuerKey[] | 'down';
  let verify: (key: IssuerKey, header?: object) => Promise<unknown>;

  beforeEach(() => {
    now = Date.UTC(2026, 0, 1);
    fetched = 0;
    published = [first];
    const lookUp = async (): Promise<KeySet> => {
      fetched++;
      if (published === 'down') throw new Refusal('unavailable', 'down');
      return keySetOf({ keys: published.map(({ jwk }) => jwk) });
    };
    const clock = () => now;
    const access = accessTo({
      keys: () => Promise.reject(new Error('the keys of the hub are none of its business')),
      audience: 'tidings:dev',
      anonymous: {},
      clock,
      issuer: {
        url: 'https://idp.example',
        audience: 'hub',
        jwksUrl: '',
        claims: { claim: 'scope', grants: {}, tenant: undefined },
        keys: cached({ lookUp, maxAgeMs: 10 * MINUTE_MS, clock }),
      },
    });
    verify = async (key, header) => {
      const claims = { iss: 'https://idp.example', aud: 'hub', exp: now / 1_000 + 60, sub: 'a' };
      return await access.verify(await issue(key, claims, header)).then(
        ({ principal }) => principal,
        (error: { code?: unknown }) => error.code ?? error,
      );
    };
  });

  const IN = 'https://idp.example#a';

  test('a caller of the provider is never a principal of the hub with the same subject', async () => {
    expect(await verify(first)).toBe(IN);
  });

  test('a token of a new key is accepted at once', async () => {
    expect(await verify(first)).toBe(IN);
    published = [first, second];
    expect(await verify(second)).toBe(IN);
    expect(fetched).toBe(2);
  });

  test('tokens with unknown key ids cause one fetch in 30 s, forged tokens with a known id none', async () => {
    expect(await verify(first)).toBe(IN);
    const until = now + MINUTE_MS;
    for (; now < until; now += 1_000) {
      expect(await verify(second)).toBe('unauthorized');
      expect(await verify(second, { kid: first.jwk.kid })).toBe('unauthorized');
      expect(await verify(second, { kid: `${now}` })).toBe('unauthorized');
    }
    expect(fetched).toBe(3);
  });

  test('a removed key is accepted for ten minutes at most', async () => {
    expect(await verify(first)).toBe(IN);
    published = [];
    now += 10 * MINUTE_MS - 1;
    expect(await verify(first)).toBe(IN);
    now += 1;
    expect(await verify(first)).toBe('unauthorized');
  });

  test('known keys are used for an hour and unknown ones refused; after that all are unavailable', async () => {
    expect(await verify(first)).toBe(IN);
    published = 'down';
    const end = now + 60 * MINUTE_MS;
    for (; now < end; now += MINUTE_MS) {
      expect(await verify(first)).toBe(IN);
      expect(await verify(second)).toBe('unauthorized');
    }
    expect(await verify(first)).toBe('unavailable');
    expect(await verify(second)).toBe('unavailable');
    published = [second];
    now += 1_000;
    expect(await verify(first)).toBe('unauthorized');
    expect(await verify(second)).toBe(IN);
  });

  test('without any known key no token is accepted', async () => {
    published = 'down';
    expect(await verify(first)).toBe('unavailable');
    now += 1_000;
    published = [first];
    expect(await verify(first)).toBe(IN);
  });
});

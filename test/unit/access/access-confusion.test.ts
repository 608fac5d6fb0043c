/**
 * Tokens that could confuse a verifier are refused, all with the same message (PROTOCOL.md §7).
 * test/flow/access/token-confusion.test.ts shows the same for every handler.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { keySetOf } from '../../../lambda/access/key-set.ts';
import { ticketsOf } from '../../../lambda/access/ticket.ts';
import { accessTo } from '../../../lambda/access/verify.ts';
import { parseClaimRules } from '../../../protocol/issuer.ts';
import { badTokens, goodTokens } from '../../support/access/confusion.ts';
import { CLAIM_RULES, type IssuerUnderTest, newIssuerKey } from '../../support/access/issuer.ts';

const NOW = Date.UTC(2026, 0, 1);
const KEY = Buffer.alloc(64, 'c');
const AUDIENCE = 'tidings:dev';

const [rsa, ec, ed] = [await newIssuerKey('RS256'), await newIssuerKey('ES256'), await newIssuerKey('EdDSA')];
const issuer: IssuerUnderTest = {
  url: 'https://idp.example',
  audience: 'https://hub.example',
  keys: [rsa, ec, ed],
  blunder: Buffer.alloc(64, 'b').toString('base64url'),
};
const published = keySetOf({
  keys: [rsa.jwk, ec.jwk, { ...ed.jwk, alg: undefined }, { kty: 'oct', k: issuer.blunder, kid: 'blunder' }],
});
const own = { keys: async () => [KEY], audience: AUDIENCE, clock: () => NOW };
const access = accessTo({
  ...own,
  anonymous: {},
  issuer: { ...issuer, jwksUrl: '', claims: parseClaimRules(CLAIM_RULES), keys: async () => published },
});
const tickets = ticketsOf({ ...own, newId: () => '1', use: async () => true });
const alone = accessTo({ ...own, anonymous: {} });

const hub = { key: KEY, audience: AUDIENCE, now: NOW / 1_000, issuer };
const REFUSED = {
  code: 'unauthorized',
  message: 'the token is expired, not yet valid, forged, or for another hub',
};

describe('are accepted', () => {
  test.each(Object.entries(goodTokens(hub)))('%s', async (_name, make) => {
    expect(await access.verify(await make())).toMatchObject({ allowedUntil: NOW + 630_000 });
  });
});

describe('are refused', () => {
  test.each(Object.entries(badTokens(hub)))('%s', async (_name, make) => {
    const token = await make();
    await expect(access.verify(token)).rejects.toMatchObject(REFUSED);
    await expect(access.identify(new Headers({ authorization: `Bearer ${token}` }))).rejects.toMatchObject({
      code: 'unauthorized',
    });
    await expect(tickets.redeem(token)).rejects.toMatchObject({ code: 'unauthorized' });
  });

  test.each(Object.entries(goodTokens(hub)).filter(([name]) => name.startsWith('of the provider')))(
    'where there is no provider: %s',
    async (_name, make) => {
      await expect(alone.verify(await make())).rejects.toMatchObject(REFUSED);
    },
  );
});

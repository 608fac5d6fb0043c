/**
 * PROTOCOL.md §7: which tokens are accepted.
 * @module
 */
import { SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { accessTo } from '../../../lambda/access/verify.ts';
import { parseCapability } from '../../../protocol/capability.ts';

const NOW = Date.UTC(2026, 0, 1);
const SECONDS = NOW / 1_000;
const CURRENT = Buffer.alloc(64, 'c');
const PREVIOUS = Buffer.alloc(64, 'p');
const AUDIENCE = 'tidings:dev';

const access = accessTo({
  keys: async () => [CURRENT, PREVIOUS],
  audience: AUDIENCE,
  anonymous: parseCapability({ 'public/*': ['subscribe'] }),
  clock: () => NOW,
});

interface Claims {
  readonly [claim: string]: unknown;
}

const GOOD: Claims = { capability: { a: ['publish'] }, aud: AUDIENCE, exp: SECONDS + 60 };
const sign = (claims: Claims, key: Uint8Array = CURRENT, alg = 'HS256') =>
  new SignJWT({ ...claims }).setProtectedHeader({ alg }).sign(key);

async function outcome(authorization: string | undefined): Promise<unknown> {
  const headers = new Headers(authorization === undefined ? {} : { authorization });
  return await access.identify(headers).then(
    ({ capability }) => ({ ...capability }),
    (error: { code?: unknown }) => error.code,
  );
}

describe('accepted', () => {
  test.each([
    ['the current key', GOOD, CURRENT],
    ['the previous key, while its tokens are in use', GOOD, PREVIOUS],
    ['an end within the leeway', { ...GOOD, exp: SECONDS - 29 }, CURRENT],
    ['a begin within the leeway', { ...GOOD, nbf: SECONDS + 29 }, CURRENT],
    ['several audiences, this hub among them', { ...GOOD, aud: ['other', AUDIENCE] }, CURRENT],
  ])('%s', async (_name, claims, key) => {
    expect(await outcome(`Bearer ${await sign(claims, key)}`)).toEqual({ a: ['publish'] });
    expect(await outcome(`bearer ${await sign(claims, key)}`)).toEqual({ a: ['publish'] });
  });
});

test('the header of the edge counts even if there is an Authorization header', async () => {
  const good = `Bearer ${await sign(GOOD)}`;
  const bad = 'Bearer no.to.ken';
  const asked = async (edge: string, authorization: string) => {
    const headers = new Headers({ 'x-tidings-authorization': edge, authorization });
    return await access.identify(headers).then(
      ({ capability }) => ({ ...capability }),
      (error: { code?: unknown }) => error.code,
    );
  };
  expect(await asked(good, bad)).toEqual({ a: ['publish'] });
  expect(await asked(bad, good)).toBe('unauthorized');
  expect(await asked('', good)).toBe('unauthorized');
  expect(await asked(`${good}, ${good}`, good)).toBe('unauthorized');
});

test('a signature of AWS is not read as a token', async () => {
  const signature = 'AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/lambda/aws4_request, Signature=0';
  expect(await outcome(signature)).toEqual({});
});

describe('refused', () => {
  const without = (claim: string) =>
    Object.fromEntries(Object.entries(GOOD).filter(([name]) => name !== claim));

  test.each([
    ['another key', () => sign(GOOD, Buffer.alloc(64, 'x'))],
    ['an empty payload', () => sign({})],
    ['another hub', () => sign({ ...GOOD, aud: 'tidings:prod' })],
    ['no audience', () => sign(without('aud'))],
    ['an end in the past', () => sign({ ...GOOD, exp: SECONDS - 31 })],
    ['no end', () => sign(without('exp'))],
    ['a begin in the future', () => sign({ ...GOOD, nbf: SECONDS + 31 })],
    ['no capability', () => sign(without('capability'))],
    ['a capability that is none', () => sign({ ...GOOD, capability: { 'a*': ['publish'] } })],
    ['another algorithm with the right key', () => sign(GOOD, CURRENT, 'HS512')],
    ['algorithm none', async () => new UnsecuredJWT({ ...GOOD }).encode()],
    [
      'algorithm nOnE',
      async () => new UnsecuredJWT({ ...GOOD }).encode().replace(/^[^.]+/, encode({ alg: 'nOnE' })),
    ],
    [
      'a key id that is a path',
      async () => (await sign(GOOD)).replace(/^[^.]+/, encode({ alg: 'HS256', kid: '../../dev/null' })),
    ],
    ['a flipped byte', async () => (await sign(GOOD)).replace(/.$/, (last) => (last === 'A' ? 'E' : 'A'))],
    ['nothing', async () => ''],
  ])('%s', async (_name, make) => {
    expect(await outcome(`Bearer ${await make()}`)).toBe('unauthorized');
  });

  test.each(['Basic dXNlcjpwYXNz', 'Bearer', 'Bearer  x', 'x'])('the header %j', async (header) => {
    expect(await outcome(header)).toBe('unauthorized');
  });
});

describe('while keys are rotated', () => {
  const NEXT = Buffer.alloc(64, 'n');
  /** A handler that has cached the old keys, and gets the new ones with its next look-up. */
  function rotated() {
    const [before, after] = [
      [CURRENT, PREVIOUS],
      [NEXT, CURRENT],
    ];
    const looks = { again: 0 };
    let known = before;
    const keys = async (isMissed = false) => {
      if (!isMissed) return known;
      looks.again++;
      known = after;
      return known;
    };
    const door = accessTo({ keys, audience: AUDIENCE, anonymous: {}, clock: () => NOW });
    const isIn = async (key: Uint8Array, claims = GOOD) =>
      await door.verify(await sign(claims, key)).then(
        () => true,
        () => false,
      );
    return { looks, isIn };
  }

  test('a token of the new key is accepted at once, and one of the previous key still is', async () => {
    const { isIn, looks } = rotated();
    expect([await isIn(CURRENT), await isIn(PREVIOUS)]).toEqual([true, true]);
    expect(looks.again).toBe(0);
    expect([await isIn(NEXT), await isIn(CURRENT), await isIn(PREVIOUS)]).toEqual([true, true, false]);
  });

  test('a token of a known key causes no look-up, and neither does malformed text', async () => {
    const { isIn, looks } = rotated();
    expect(await isIn(CURRENT, { ...GOOD, exp: SECONDS - 60 })).toBe(false);
    expect(await isIn(NEXT, { ...GOOD, iss: 'https://idp.example' })).toBe(false);
    expect(looks.again).toBe(0);
  });
});

test('a caller without a token may do what anonymous callers may, and needs a token for more', async () => {
  const nobody = await access.identify(new Headers());
  expect(() => access.require('subscribe', 'public/1', nobody)).not.toThrow();
  expect(() => access.require('publish', 'public/1', nobody)).toThrow(
    expect.objectContaining({ code: 'unauthorized' }),
  );
  const someone = await access.identify(new Headers({ authorization: `Bearer ${await sign(GOOD)}` }));
  expect(() => access.require('subscribe', 'public/1', someone)).not.toThrow();
  expect(() => access.require('publish', 'public/1', someone)).toThrow(
    expect.objectContaining({ code: 'forbidden' }),
  );
});

describe('only the hub writes channels below tidings/', () => {
  const ALL = parseCapability({ '*': ['publish', 'subscribe', 'webhook', 'manage'] });
  const open = accessTo({
    keys: async () => [CURRENT],
    audience: AUDIENCE,
    anonymous: ALL,
    clock: () => NOW,
  });
  const admin = { capability: ALL, principal: undefined, allowedUntil: NOW + 1 };
  const codeOf = (ask: () => void): unknown => {
    try {
      ask();
      return 'done';
    } catch (error) {
      return Object(error).code;
    }
  };

  test.each([
    ['publish', 'tidings/webhooks', 'forbidden', 'unauthorized'],
    ['manage', 'tidings/a/b', 'forbidden', 'unauthorized'],
    ['subscribe', 'tidings/webhooks', 'done', 'unauthorized'],
    ['webhook', 'tidings/*', 'done', 'unauthorized'],
    ['publish', 'tidings', 'done', 'unauthorized'],
    ['publish', 'tidingsx/a', 'done', 'unauthorized'],
    ['publish', 'a/tidings/b', 'done', 'unauthorized'],
  ] as const)('%s on %s with all rights: %s', async (operation, channel, code, nobodys) => {
    expect(codeOf(() => access.require(operation, channel, admin))).toBe(code);
    expect(access.may(operation, channel, admin)).toBe(code === 'done');
    const nobody = await access.identify(new Headers());
    expect(codeOf(() => access.require(operation, channel, nobody))).toBe(nobodys);
    // Anonymous callers with all rights get the same code: a token would not help them.
    expect(codeOf(() => open.require(operation, channel, nobody))).toBe(code);
  });
});

test('mayAnywhere tells whether a caller has the right on any channel', async () => {
  const nobody = await access.identify(new Headers());
  const someone = await access.identify(new Headers({ authorization: `Bearer ${await sign(GOOD)}` }));
  const operations = ['publish', 'subscribe', 'webhook'] as const;
  expect(operations.map((operation) => access.mayAnywhere(operation, nobody))).toEqual([false, true, false]);
  expect(operations.map((operation) => access.mayAnywhere(operation, someone))).toEqual([true, true, false]);
});

const encode = (header: object): string => Buffer.from(JSON.stringify(header)).toString('base64url');

/**
 * Keys of an identity provider: which are used, for which algorithm, and how they are fetched.
 * @module
 */
import type { RequestListener } from 'node:http';
import { jwtVerify } from 'jose';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ALGORITHMS, fetchKeySet, keySetOf } from '../../../lambda/access/key-set.ts';
import { bare, type IssuerKey, issue, newIssuerKey, signingBy } from '../../support/access/issuer.ts';
import { closedPort, httpLoopback } from '../../support/network/loopback.ts';

const RSA = await newIssuerKey('RS256');
const EC = await newIssuerKey('ES256');
const ED = await newIssuerKey('EdDSA');

/** Returns true if the published keys verify a token of the key, even if the verifier allows all algorithms. */
async function isVerified(keys: unknown, key: IssuerKey): Promise<boolean> {
  const algorithms = [...ALGORITHMS, 'HS256'];
  return await jwtVerify(await issue(key, {}), keySetOf({ keys }), { algorithms }).then(
    () => true,
    () => false,
  );
}

describe('a key verifies', () => {
  test.each(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])(
    '%s, if it says so',
    async (alg) => {
      const key = await newIssuerKey(alg);
      expect(await isVerified([key.jwk], key)).toBe(true);
    },
  );

  test.each([
    ['RS256', RSA],
    ['ES256', EC],
    ['EdDSA', ED],
  ])('%s, if it is of that type and names no algorithm', async (_alg, key) => {
    expect(await isVerified([{ ...key.jwk, alg: undefined }], key)).toBe(true);
    expect(await isVerified([bare(key).jwk], bare(key))).toBe(true);
  });

  test('beside unusable keys', async () => {
    const keys = [
      null,
      7,
      'key',
      [],
      {},
      { kty: 'oct', k: 'a' },
      { kty: 'RSA', alg: 'none' },
      RSA.jwk,
      EC.jwk,
    ];
    expect(await isVerified(keys, RSA)).toBe(true);
    expect(await isVerified(keys, EC)).toBe(true);
  });
});

describe('a key verifies nothing', () => {
  test.each(['RS384', 'RS512', 'PS256', 'PS512'])('of %s if it is for RS256, named or not', async (alg) => {
    const key = signingBy(RSA, alg);
    expect(await isVerified([{ ...RSA.jwk, alg }], key)).toBe(true);
    expect(await isVerified([RSA.jwk], key)).toBe(false);
    expect(await isVerified([{ ...RSA.jwk, alg: undefined }], key)).toBe(false);
  });

  test.each([
    ['is for encryption', { use: 'enc' }],
    ['is of another type', { kty: 'EC' }],
    ['is of another type, with its curve', { kty: 'EC', crv: 'P-256' }],
    ['is of no type', { kty: undefined }],
    ['is of a type that every object has', { kty: 'constructor' }],
    ['is for HMAC', { alg: 'HS256' }],
    ['is for HMAC, and of that type', { kty: 'oct', alg: 'HS256' }],
    ['is for none', { alg: 'none' }],
    ['is for several', { alg: ['RS256'] }],
    ['is of another id', { kid: '../../etc/passwd' }],
  ])('that %s', async (_name, change) => {
    expect(await isVerified([{ ...RSA.jwk, ...change }], RSA)).toBe(false);
  });

  test('if it is too short', async () => {
    const short = { ...RSA.jwk, n: RSA.jwk.n?.slice(0, 128) };
    expect(await isVerified([short], RSA)).toBe(false);
  });

  test('if several keys fit', async () => {
    const keys = [RSA, await newIssuerKey('RS256')].map((key) => bare(key).jwk);
    expect(await isVerified(keys, bare(RSA))).toBe(false);
  });
});

describe('are not fetched', () => {
  const serving = async (answer: RequestListener): Promise<string> =>
    `http://127.0.0.1:${(await httpLoopback(answer)).port}/keys`;
  const good = JSON.stringify({ keys: [RSA.jwk] });

  test('from a place without keys, or from a redirect', async () => {
    const target = await httpLoopback((_request, response) => response.end(good));
    const redirecting = await serving((_request, response) => {
      response.writeHead(302, { Location: `http://127.0.0.1:${target.port}/keys` }).end();
    });
    await expect(fetchKeySet(redirecting)).rejects.toThrow();
    expect(target.accepts()).toBe(0);
    await expect(fetchKeySet(`http://127.0.0.1:${await closedPort()}/`)).rejects.toThrow();
  });

  test.each([
    ['an error', 500, good],
    ['another success', 203, good],
    ['a page', 200, '<html>'],
    ['a list', 200, '[]'],
    ['no list of keys', 200, '{"keys":{}}'],
    ['more than a set can be', 200, `{"keys":[${' '.repeat(256 * 1024)}]}`],
  ])('from %s', async (_name, status, body) => {
    const url = await serving((_request, response) => response.writeHead(status).end(body));
    await expect(fetchKeySet(url)).rejects.toThrow();
  });

  test('for longer than the timeout', async () => {
    const timeout = AbortSignal.timeout;
    onTestFinished(() => {
      AbortSignal.timeout = timeout;
    });
    AbortSignal.timeout = () => AbortSignal.abort(new Error('timed out'));
    const url = await serving((_request, response) => response.write('{'));
    await expect(fetchKeySet(url)).rejects.toThrow('timed out');
  });

  test('unless the answer is a set, which may be empty', async () => {
    const url = await serving((_request, response) => response.end(good));
    expect((await fetchKeySet(url)).jwks().keys).toHaveLength(1);
    expect(keySetOf({ keys: [] }).jwks().keys).toEqual([]);
  });
});

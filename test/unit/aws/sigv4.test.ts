/**
 * The signatures are equal to those of the SDK's signer, for random posts.
 * @module
 */
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Credentials, encodeSegment, hashOf, signer } from '../../../lambda/aws/sockets/sigv4.ts';
import { MAX_POST_BYTES } from '../../../protocol/limits.ts';

const HOST = 'abc.execute-api.eu-west-1.amazonaws.com';
const SERVICE = { region: 'eu-west-1', service: 'execute-api' };
const ROLE = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: 'IQoJb3JpZ2luX2VjE//////////wEaCWV1LXdlc3QtMSJHMEUCIQ==',
};
const { sessionToken: _none, ...USER } = ROLE;

const pathOf = (connection: string) => `/ws/@connections/${encodeSegment(connection)}`;

interface Post {
  readonly path: string;
  readonly body: string;
  readonly at: number;
}

/** Returns the headers of the SDK without Host, which undici adds. */
async function theirs(credentials: Credentials, { path, body, at }: Post): Promise<Record<string, string>> {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const keys = { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
  const sdk = new SignatureV4({ ...SERVICE, credentials: keys, sha256: Sha256, applyChecksum: false });
  const headers = { host: HOST, 'content-type': 'application/octet-stream' };
  const request = { method: 'POST', protocol: 'https:', hostname: HOST, path, query: {}, headers, body };
  const { host: _host, ...signed } = (await sdk.sign(request, { signingDate: new Date(at) })).headers;
  return signed;
}

function signing(credentials: Credentials) {
  let now = 0;
  const sign = signer({ ...SERVICE, credentials, host: HOST, clock: () => now });
  return ({ path, body, at }: Post): Record<string, string> => {
    now = at;
    const flat = sign(path, hashOf(Buffer.from(body)));
    return Object.fromEntries(flat.flatMap((name, n) => (n % 2 === 0 ? [[name, flat[n + 1] ?? '']] : [])));
  };
}

const ID = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/%@ !'()*~é";
const connection = fc.string({ unit: fc.constantFrom(...ID), minLength: 3, maxLength: 40 });
const body = fc.string({ unit: 'grapheme', maxLength: 200 });
const DAY_MS = 24 * 3_600_000;
const MIDNIGHT = Date.UTC(2026, 1, 28) + DAY_MS;
const moment = fc.integer({ min: MIDNIGHT - DAY_MS, max: MIDNIGHT + DAY_MS });

describe.each([
  ['a role', ROLE],
  ['a user, without a session token', USER],
])('of %s', (_name, credentials) => {
  test('random connections, frames and times, in any order', async () => {
    const ours = signing(credentials);
    await fc.assert(
      fc.asyncProperty(connection, body, moment, async (id, text, at) => {
        const post = { path: pathOf(id), body: text, at };
        expect(ours(post)).toEqual(await theirs(credentials, post));
      }),
      { numRuns: 200, seed: 20_260_228 },
    );
  });

  test('at midnight, when the key of the day changes, and back', async () => {
    const ours = signing(credentials);
    for (const after of [-1_001, -1_000, -1, 0, 1, 999, 1_000, -1]) {
      const post = { path: pathOf('Zabc123='), body: '{}', at: MIDNIGHT + after };
      expect(ours(post)).toEqual(await theirs(credentials, post));
    }
  });

  test.each([
    ['nothing', ''],
    ['more than ASCII', '{"text":"Grüße, 世界 🎉"}'],
    ['the largest frame', 'é'.repeat(MAX_POST_BYTES / 2)],
  ])('a body of %s', async (_what, text) => {
    const post = { path: pathOf('Zabc123='), body: text, at: MIDNIGHT };
    expect(signing(credentials)(post)).toEqual(await theirs(credentials, post));
  });
});

test('a connection id is URL-encoded once in the path', () => {
  expect(pathOf("a=b+c/d e!'()*")).toBe('/ws/@connections/a%3Db%2Bc%2Fd%20e%21%27%28%29%2A');
});

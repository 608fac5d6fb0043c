/**
 * An identity provider: keys of every kind, tokens signed with them, right and wrong, and a server that has the keys.
 * @module
 */
import { createServer } from 'node:http';
import {
  calculateJwkThumbprint,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose';

/** A pair of keys, as data. */
export interface IssuerKey {
  /** What tokens are signed by. */
  readonly alg: string;
  readonly secret: JWK;
  /** As the provider publishes it. */
  readonly jwk: JWK;
}

/** A new key, published with its `alg` and an id. */
export async function newIssuerKey(alg: string): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const [secret, jwk] = await Promise.all([exportJWK(privateKey), exportJWK(publicKey)]);
  return { alg, secret, jwk: { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) } };
}

/** The same key, to sign by another algorithm than it is published for. */
export const signingBy = (key: IssuerKey, alg: string): IssuerKey => ({ ...key, alg });

/** Published, and signing, without any word of what it is. */
export function bare(key: IssuerKey): IssuerKey {
  const { alg: _alg, kid: _kid, use: _use, ...jwk } = key.jwk;
  return { ...key, jwk };
}

/** A token with these claims, and this beside `alg` and `kid` in its header. */
export async function issue(
  { alg, secret, jwk: { kid } }: IssuerKey,
  claims: object,
  header: object = {},
): Promise<string> {
  return await new SignJWT({ ...claims })
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }), ...header })
    .sign(await importJWK(secret, alg));
}

/** What everybody has of the key, in the form that HMAC would take for a secret. */
export async function publicPem({ jwk, alg }: IssuerKey): Promise<string> {
  const key = await importJWK(jwk, alg);
  if (key instanceof Uint8Array) throw new Error('there is nothing public about this key');
  return await exportSPKI(key);
}

/** Everything about a provider that a test needs, as data. */
export interface IssuerUnderTest {
  readonly url: string;
  readonly audience: string;
  /** RS256, ES256, and EdDSA whose key does not say so. */
  readonly keys: readonly [IssuerKey, IssuerKey, IssuerKey];
  /** A secret that it has published by mistake, as bytes in base64url. */
  readonly blunder: string;
}

/** What the provider of tests lets its tokens do, each below its tenant. */
export const CLAIM_RULES = {
  claim: 'groups',
  tenant: 'org',
  grants: {
    admin: { '*': ['publish', 'subscribe', 'webhook', 'manage'] },
    trader: { 'prices/*': ['subscribe'] },
  },
};

export interface RunningIssuer {
  readonly issuer: IssuerUnderTest;
  /** Configures a hub for it. */
  readonly context: Readonly<Record<string, unknown>>;
  readonly close: () => Promise<void>;
}

export async function startIssuer(): Promise<RunningIssuer> {
  const [rsa, ec, ed] = await Promise.all(['RS256', 'ES256', 'EdDSA'].map(newIssuerKey));
  if (!rsa || !ec || !ed) throw new Error('keys are missing');
  const blunder = Buffer.alloc(64, 'b').toString('base64url');
  const published = [
    rsa.jwk,
    ec.jwk,
    { ...ed.jwk, alg: undefined },
    { kty: 'oct', k: blunder, kid: 'blunder' },
  ];
  const server = createServer((request, response) => {
    const isThere = request.url === '/.well-known/jwks.json';
    response.writeHead(isThere ? 200 : 404).end(isThere ? JSON.stringify({ keys: published }) : '');
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
  const url = `http://127.0.0.1:${address.port}`;
  const audience = 'https://hub.example';
  return {
    issuer: { url, audience, keys: [rsa, ec, ed], blunder },
    context: {
      'tidings:issuer': url,
      'tidings:issuerAudience': audience,
      'tidings:claims': CLAIM_RULES,
    },
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

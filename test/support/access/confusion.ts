/**
 * Tokens that confuse those who verify them, each wrong in one way. Where it can be, the signature is good: it must not be
 * the signature that is refused.
 * @module
 */
import { createHmac } from 'node:crypto';
import { type IssuerKey, type IssuerUnderTest, issue, newIssuerKey, publicPem, signingBy } from './issuer.ts';

/** The hub that is to be confused. */
export interface Confused {
  readonly key: string | Uint8Array;
  readonly audience: string;
  /** Seconds since 1970. */
  readonly now: number;
  readonly issuer: IssuerUnderTest | undefined;
}

/** Name → the token. */
export type Tokens = Readonly<Record<string, () => string | Promise<string>>>;

const HS256 = '{"alg":"HS256"}';
const EVERYTHING = { '*': ['publish', 'subscribe', 'webhook', 'manage'] };
/** A key as long as it has to be, and of nobody. */
const FOREIGN = 'f'.repeat(64);

const part = (text: string): string => Buffer.from(text).toString('base64url');

/** Signs whatever it is, with HMAC. */
function hmac(header: string, claims: string, key: string | Uint8Array, hash = 'sha256'): string {
  const input = `${part(header)}.${part(claims)}`;
  return `${input}.${createHmac(hash, key).update(input).digest('base64url')}`;
}

/** Claims that the hub's own key may sign. */
export const ownClaims = ({ audience, now }: Confused) => ({
  capability: EVERYTHING,
  aud: audience,
  exp: now + 600,
});

/** Claims that the provider may sign. */
export const issuedClaims = ({ now }: Confused, { url, audience }: IssuerUnderTest) => ({
  iss: url,
  aud: audience,
  exp: now + 600,
  sub: 'someone',
  groups: ['admin'],
  org: 'acme',
});

/** Good ones, to show that it is what is wrong that is refused. */
export function goodTokens(hub: Confused): Tokens {
  const own = JSON.stringify(ownClaims(hub));
  const { issuer } = hub;
  return {
    'of the hub': () => hmac(HS256, own, hub.key),
    'of the hub, with a header that is not read': () =>
      hmac('{"alg":"HS256","typ":"JWT","kid":"../x","jku":"http://127.0.0.1:1/","jwk":{}}', own, hub.key),
    ...(issuer &&
      Object.fromEntries(
        issuer.keys.map((key) => [
          `of the provider, by ${key.alg}`,
          () =>
            issue(key, issuedClaims(hub, issuer), { jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/' }),
        ]),
      )),
  };
}

export const badTokens = (hub: Confused): Tokens => ({
  ...algorithms(hub),
  ...keys(hub),
  ...claimsOfOwn(hub),
  ...forms(hub),
  ...(hub.issuer && ofIssuer(hub, hub.issuer)),
});

function algorithms(hub: Confused): Tokens {
  const own = JSON.stringify(ownClaims(hub));
  const [, , signature = ''] = hmac(HS256, own, hub.key).split('.');
  const unsecured = (alg: string) => `${part(JSON.stringify({ alg }))}.${part(own)}`;
  const signedAs = (alg: string) => hmac(`{"alg":${alg}}`, own, hub.key);
  return {
    none: () => `${unsecured('none')}.`,
    'none, and no dot after it': () => unsecured('none'),
    'none, with a signature': () => `${unsecured('none')}.${signature}`,
    None: () => `${unsecured('None')}.`,
    nOnE: () => `${unsecured('nOnE')}.`,
    'HS256 without a signature': () => `${part(HS256)}.${part(own)}.`,
    'no algorithm': () => hmac('{}', own, hub.key),
    'an empty algorithm': () => signedAs('""'),
    'null for an algorithm': () => signedAs('null'),
    'a list of algorithms': () => signedAs('["HS256"]'),
    'an object for an algorithm': () => signedAs('{"HS256":true}'),
    'the algorithm in lower case': () => signedAs('"hs256"'),
    'the algorithm and a space': () => signedAs('"HS256 "'),
    'the algorithm twice': () => hmac('{"alg":"none","alg":"HS256"}', own, hub.key),
    'HS384 with the key of the hub': () => hmac('{"alg":"HS384"}', own, hub.key, 'sha384'),
    'HS512 with the key of the hub': () => hmac('{"alg":"HS512"}', own, hub.key, 'sha512'),
    'RS256, signed by HMAC': () => signedAs('"RS256"'),
    'a critical extension': () => hmac('{"alg":"HS256","crit":["exp"],"exp":1}', own, hub.key),
    'an unencoded payload': () => hmac('{"alg":"HS256","crit":["b64"],"b64":false}', own, hub.key),
    'a critical extension that is understood': () =>
      hmac('{"alg":"HS256","crit":["b64"],"b64":true}', own, hub.key),
    'no critical extension, said': () => hmac('{"alg":"HS256","crit":[]}', own, hub.key),
  };
}

function keys(hub: Confused): Tokens {
  const own = JSON.stringify(ownClaims(hub));
  const withHeader = (header: object, key = FOREIGN) =>
    hmac(JSON.stringify({ alg: 'HS256', ...header }), own, key);
  const ofTheirOwn = async (header: (key: IssuerKey) => object) => {
    const key = await newIssuerKey('RS256');
    return await issue(key, ownClaims(hub), header(key));
  };
  const [header, claims, signature = ''] = hmac(HS256, own, hub.key).split('.');
  return {
    'a foreign key': () => hmac(HS256, own, FOREIGN),
    'an empty key': () => hmac(HS256, own, ''),
    'a key of zeros': () => hmac(HS256, own, Buffer.alloc(64)),
    'its name for a key': () => hmac(HS256, own, hub.audience),
    'half a signature': () => `${header}.${claims}.${signature.slice(0, 20)}`,
    'the signature of another token': () =>
      `${header}.${part(JSON.stringify({ ...ownClaims(hub), sub: 'a' }))}.${signature}`,
    'a kid that is a path to nothing': () => withHeader({ kid: '../../../../dev/null' }, ''),
    'a kid that is SQL': () => withHeader({ kid: "x' UNION SELECT 'key" }, 'key'),
    'a kid that is a URL': () => withHeader({ kid: 'http://127.0.0.1:1/key' }),
    'a kid that is a list': () => withHeader({ kid: ['0'] }),
    'a kid that is empty': () => withHeader({ kid: '' }),
    'a kid that every object has': () => withHeader({ kid: '__proto__' }),
    'its own key, in the header': () => withHeader({ jwk: { kty: 'oct', k: part(FOREIGN) } }),
    'its own public key, in the header': () => ofTheirOwn(({ jwk }) => ({ jwk })),
    'its own certificate, in the header': () => ofTheirOwn(() => ({ x5c: ['MIIB'] })),
    'keys elsewhere': () => withHeader({ jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/' }),
  };
}

function claimsOfOwn(hub: Confused): Tokens {
  const { now, audience } = hub;
  const wrong: Readonly<Record<string, object>> = {
    'no audience': { aud: undefined },
    'another stage': { aud: 'tidings:another' },
    'an audience that begins so': { aud: `${audience}x` },
    'the audience of tickets': { aud: `${audience}:ticket` },
    'the audience in capitals': { aud: audience.toUpperCase() },
    'an audience in a list in a list': { aud: [[audience]] },
    'an audience in an object': { aud: { 0: audience, length: 1 } },
    'no end': { exp: undefined },
    'an end in the past': { exp: now - 60 },
    'an end that is text': { exp: String(now + 600) },
    'an end in a list': { exp: [now + 600] },
    'an end that is an object': { exp: { $gt: 0 } },
    'an end after all time': { exp: 1e300 },
    'a beginning in the future': { nbf: now + 3_600 },
    'a beginning that is text': { nbf: '0' },
    'a foreign issuer': { iss: 'https://idp.example' },
    'an issuer that is empty': { iss: '' },
    'an issuer that is null': { iss: null },
    'no capability': { capability: undefined },
    'a capability that is text': { capability: JSON.stringify(EVERYTHING) },
    'a capability that is a list': { capability: [EVERYTHING] },
    'an operation that there is not': { capability: { '*': ['admin'] } },
    'a pattern that is none': { capability: { 'a*': ['publish'] } },
    'a tenant of two segments': { tenant: 'a/b' },
    'a tenant that is a pattern': { tenant: '*' },
    'a tenant that is empty': { tenant: '' },
    'a tenant that is null': { tenant: null },
    'a tenant that is a list': { tenant: ['acme'] },
    'a tenant that is the hub': { tenant: 'tidings' },
  };
  const text = JSON.stringify(ownClaims(hub));
  const but = (old: string, replaced: string) => () => hmac(HS256, text.replace(old, replaced), hub.key);
  return {
    ...Object.fromEntries(
      Object.entries(wrong).map(([name, claims]) => [
        name,
        () => hmac(HS256, JSON.stringify({ ...ownClaims(hub), ...claims }), hub.key),
      ]),
    ),
    'an end beyond all numbers': but(`"exp":${now + 600}`, '"exp":1e999'),
    'the audience twice': but('"aud"', '"aud":"tidings:another","aud"'),
    'the capability twice': but('"capability"', '"capability":{},"capability"'),
    'the end twice, written otherwise': but('"exp"', '"\\u0065xp":1,"exp"'),
  };
}

function forms(hub: Confused): Tokens {
  const own = JSON.stringify(ownClaims(hub));
  const good = hmac(HS256, own, hub.key);
  const [header = '', claims = '', signature = ''] = good.split('.');
  return {
    'a word': () => 'x',
    'three dots': () => '...',
    'a dot before it': () => `.${good}`,
    'a dot after it': () => `${good}.`,
    'five parts': () => `${good}.${claims}.${signature}`,
    'JSON form': () => JSON.stringify({ protected: header, payload: claims, signature }),
    'claims that are text': () => hmac(HS256, JSON.stringify(own), hub.key),
    'claims that are a list': () => hmac(HS256, `[${own}]`, hub.key),
    'claims that are no JSON': () => hmac(HS256, own.slice(0, -1), hub.key),
    'claims in claims': () => hmac(HS256, JSON.stringify({ claims: ownClaims(hub) }), hub.key),
    'a token in a token': () => hmac('{"alg":"HS256","cty":"JWT"}', good, hub.key),
    'a header that is a list': () => hmac(`[${HS256}]`, own, hub.key),
    'a header that is text': () => hmac(JSON.stringify(HS256), own, hub.key),
    padding: () => `${header}=.${claims}.${signature}=`,
    'a tab inside': () => `${header}.\t${claims}.${signature}`,
    'letters that are not ASCII': () => `${header}.${claims}.é${signature}`,
    'bytes that are no UTF-8': () =>
      `${header}.${Buffer.from([123, 255, 125]).toString('base64url')}.${signature}`,
    'as large as the gateway lets pass': () => hmac(HS256, JSON.stringify({ a: 'a'.repeat(5_000) }), FOREIGN),
    'depths of nothing': () => hmac(HS256, '['.repeat(4_000), FOREIGN),
  };
}

function ofIssuer(hub: Confused, issuer: IssuerUnderTest): Tokens {
  const [rsa, ec, ed] = issuer.keys;
  const claims = issuedClaims(hub, issuer);
  const text = JSON.stringify(claims);
  const wrong: Readonly<Record<string, object>> = {
    'without an issuer': { iss: undefined },
    'with an issuer that begins so': { iss: `${issuer.url}/` },
    'with a list of issuers': { iss: [issuer.url] },
    'without an audience': { aud: undefined },
    'for another service': { aud: 'https://another.example' },
    'for the hub by its own name': { aud: hub.audience },
    'without an end': { exp: undefined },
    'that has ended': { exp: hub.now - 60 },
    'that begins in the future': { nbf: hub.now + 3_600 },
    'without a tenant': { org: undefined },
    'of a tenant of two segments': { org: 'acme/x' },
    'of all tenants': { org: '*' },
    'of several tenants': { org: ['acme'] },
    'of the hub’s own name': { org: 'tidings' },
  };
  const publicly = (key: string | Uint8Array, alg = 'HS256') =>
    hmac(JSON.stringify({ alg, kid: rsa.jwk.kid }), text, key);
  const withKid = async (kid: unknown) => await issue(await newIssuerKey('RS256'), claims, { kid });
  const tokens: Tokens = {
    'HS256 with the public key': async () => publicly(await publicPem(rsa)),
    'HS256 with the public key, without a line break': async () => publicly((await publicPem(rsa)).trim()),
    'HS256 with the public key as JSON': () => publicly(JSON.stringify(rsa.jwk)),
    'HS256 with the modulus': () => publicly(Buffer.from(rsa.jwk.n ?? '', 'base64url')),
    'HS256 with the public key, as a token of the hub': async () =>
      hmac(HS256, JSON.stringify(ownClaims(hub)), await publicPem(rsa)),
    'HS256 with the key of the hub': () => publicly(hub.key),
    'HS256 with a key that was published by mistake': () =>
      hmac('{"alg":"HS256","kid":"blunder"}', text, Buffer.from(issuer.blunder, 'base64url')),
    none: () => `${part('{"alg":"none"}')}.${part(text)}.`,
    'a foreign key of the same id': () => withKid(rsa.jwk.kid),
    'a foreign key of another id': () => withKid('another'),
    'a kid that is a path': () => withKid('../../keys'),
    'a kid that is a URL': () => withKid('http://127.0.0.1:1/key'),
    'a kid that is a list': () => withKid([rsa.jwk.kid]),
    'a kid that is empty': () => withKid(''),
    'its own key, in the header': async () => {
      const key = await newIssuerKey('RS256');
      return await issue(key, claims, { jwk: key.jwk, kid: rsa.jwk.kid });
    },
    'RS512 by a key of RS256': () => issue(signingBy(rsa, 'RS512'), claims),
    'PS256 by a key of RS256': () => issue(signingBy(rsa, 'PS256'), claims),
    'the id of a key of another type': () => issue(ec, claims, { kid: rsa.jwk.kid }),
    'the capability of the hub’s own': () => issue(ed, { ...ownClaims(hub), iss: issuer.url }),
    'a critical extension': () => issue(rsa, claims, { crit: ['b64'], b64: true }),
    ...Object.fromEntries(
      Object.entries(wrong).map(([name, change]) => [name, () => issue(rsa, { ...claims, ...change })]),
    ),
  };
  return Object.fromEntries(Object.entries(tokens).map(([name, make]) => [`of the provider: ${name}`, make]));
}

/**
 * The form of a token, before it is verified.
 * @module
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unverifiedClaims } from '../../../lambda/access/token-form.ts';

const part = (text: string | Uint8Array): string => Buffer.from(text).toString('base64url');
const tokenOf = (claims: string | Uint8Array, header: string | Uint8Array = '{"alg":"HS256"}'): string =>
  `${part(header)}.${part(claims)}.c2ln`;

test('claims are read unchanged, with similar names and with texts that look like names', () => {
  const json = fc.dictionary(
    fc.oneof(fc.string(), fc.constantFrom('iss', '__proto__', 'constructor', '":', '\\":', 'a":"b')),
    fc.oneof(fc.jsonValue(), fc.constantFrom('":', '"a":', '\\', '","a":"')),
  );
  fc.assert(
    fc.property(json, fc.boolean(), (claims, isSpaced) => {
      const text = JSON.stringify(claims, null, isSpaced ? 2 : 0);
      expect(JSON.stringify(unverifiedClaims(tokenOf(text)))).toBe(JSON.stringify(JSON.parse(text)));
    }),
  );
});

test.each([
  ['twice the same name', '{"aud":"a","aud":"b"}'],
  ['twice the same name, written otherwise', '{"aud":"a","\\u0061ud":"b"}'],
  ['twice the same name, deep inside', '{"a":[{"b":{"c":1,"c":1}}]}'],
  ['a list', '[{"iss":"a"}]'],
  ['a text', '"{}"'],
  ['null', 'null'],
  ['JSON that was made text', JSON.stringify('{"iss":"a"}')],
  ['half of it', '{"iss":'],
  ['something behind it', '{}{}'],
  ['nothing but a byte order mark before it', '\ufeff{}'],
  ['bytes that are no UTF-8', Uint8Array.of(123, 34, 255, 34, 58, 49, 125)],
])('claims that are %s', (_name, claims) => {
  expect(unverifiedClaims(tokenOf(claims))).toBeUndefined();
  expect(unverifiedClaims(tokenOf('{}', claims))).toBeUndefined();
});

test.each([
  ['no signature', `${part('{}')}.${part('{}')}.`],
  ['no payload', `${part('{}')}..c2ln`],
  ['two parts', `${part('{}')}.${part('{}')}`],
  ['five parts, as encrypted ones have', `${tokenOf('{}')}.c2ln.c2ln`],
  ['padding', `${part('{"alg":"a"}')}=.${part('{}')}.c2ln`],
  ['a space at its end', `${tokenOf('{}')} `],
  ['a line break at its end', `${tokenOf('{}')}\n`],
  ['a line break inside', tokenOf('{}').replace('.', '\n.')],
  ['a character of another alphabet', tokenOf('{}').replace(/.$/, 'е')],
  ['standard base64', tokenOf('{}').replace(/.$/, '+')],
  ['JSON form', '{"protected":"e30","payload":"e30","signature":"c2ln"}'],
  ['critical extensions', tokenOf('{}', '{"alg":"HS256","crit":["b64"],"b64":true}')],
  ['no critical extension', tokenOf('{}', '{"alg":"HS256","crit":null}')],
  ['nothing', ''],
])('a token with %s', (_name, token) => {
  expect(unverifiedClaims(token)).toBeUndefined();
});

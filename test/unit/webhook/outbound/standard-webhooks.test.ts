/**
 * The hub's signatures follow Standard Webhooks, by foreign test vectors and by the library that receivers use.
 * @module
 */
import { createPublicKey, verify } from 'node:crypto';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { isSecret, newSecret, signatureOf } from '../../../../lambda/webhook/outbound/standard-webhooks.ts';
import { MAX_SECRET_BYTES, MIN_SECRET_BYTES } from '../../../../protocol/limits.ts';
import { SECRET } from '../../../support/webhooks/webhook-request.ts';

const secretOf = (bytes: Uint8Array) => `whsec_${Buffer.from(bytes).toString('base64')}`;

const now = () => Math.floor(Date.now() / 1_000);

/** Verifies a signature as a receiver does. */
const accepts = (secret: string, id: string, seconds: number, signature: string, body: string): boolean => {
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': signature };
  try {
    new Webhook(secret).verify(body, headers, { jsonParse: false });
    return true;
  } catch {
    return false;
  }
};

describe('the vectors', () => {
  test.each([
    // https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/javascript/src/webhook.test.ts
    [
      'A, of the JavaScript library',
      SECRET,
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      1_614_265_330,
      '{"test": 2432232314}',
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    ],
    // https://docs.svix.com/receiving/verifying-payloads/how-manual
    [
      'B, of Svix',
      'whsec_plJ3nmyCDGBKInavdOK15jsl',
      'msg_loFOjxBNrRLzqYUf',
      1_731_705_121,
      '{"event_type":"ping","data":{"success":true}}',
      'v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=',
    ],
    [
      'D, of more than ASCII',
      SECRET,
      'msg_1',
      1_700_000_000,
      '{"t":"é☃"}',
      'v1,rCa9W1fJq95anZZ4DiODsuqIZheh8r3Izkm/c9Vqe4g=',
    ],
  ])('%s', (_name, secret, id, seconds, body, expected) => {
    expect(signatureOf([secret], id, seconds, body)).toBe(expected);
    expect(signatureOf([secret], id, seconds, Buffer.from(body))).toBe(expected);
  });

  test("C, of ed25519, which the hub does not use: receivers still find the hub's signature beside it", () => {
    const v1a = 'hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==';
    const x = Buffer.from('1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=', 'base64').toString('base64url');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    const signed = Buffer.from('msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}');
    expect(verify(null, signed, key, Buffer.from(v1a, 'base64'))).toBe(true);

    const seconds = now();
    const ours = signatureOf([SECRET], 'msg_1', seconds, '{}');
    expect(accepts(SECRET, 'msg_1', seconds, `v1a,${v1a} ${ours}`, '{}')).toBe(true);
    expect(accepts(SECRET, 'msg_1', seconds, `v1a,${v1a}`, '{}')).toBe(false);
  });
});

const bytes = fc.uint8Array({ minLength: MIN_SECRET_BYTES, maxLength: MAX_SECRET_BYTES });
const secret = bytes.map(secretOf);
const id = fc.stringMatching(/^msg_[A-Za-z0-9]{1,30}$/);
const body = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 });

describe('receivers', () => {
  test('verify every message with the secret that signed it', () => {
    fc.assert(
      fc.property(secret, id, body, (key, message, text) => {
        const seconds = now();
        const signature = signatureOf([key], message, seconds, text);
        expect(accepts(key, message, seconds, signature, text)).toBe(true);
      }),
    );
  });

  test('verify with either secret of a rotation, and with no other', () => {
    fc.assert(
      fc.property(secret, secret, secret, body, (current, previous, other, text) => {
        fc.pre(new Set([current, previous, other]).size === 3);
        const seconds = now();
        const signature = signatureOf([current, previous], 'msg_1', seconds, text);
        const results = [current, previous, other].map((key) =>
          accepts(key, 'msg_1', seconds, signature, text),
        );
        expect(results).toEqual([true, true, false]);
      }),
    );
  });

  test('refuse an id, a time or a body with one bit flipped', () => {
    const flipped = (text: string, at: number): string => {
      const changed = Buffer.from(text);
      const place = at % changed.byteLength;
      changed.writeUInt8(changed.readUInt8(place) ^ 1, place);
      return changed.toString('latin1');
    };
    fc.assert(
      fc.property(secret, id, fc.nat(), (key, message, at) => {
        const seconds = now();
        const text = '{"type":"order.paid","data":{"amount":100}}';
        const signature = signatureOf([key], message, seconds, text);
        expect(accepts(key, flipped(message, at), seconds, signature, text)).toBe(false);
        // Seconds before and after, within the tolerance.
        expect(accepts(key, message, seconds - 1, signature, text)).toBe(false);
        expect(accepts(key, message, seconds ^ 1, signature, text)).toBe(false);
        expect(accepts(key, message, seconds, signature, flipped(text, at))).toBe(false);
      }),
    );
  });
});

describe('secrets', () => {
  test('that the hub makes are valid and all different', () => {
    const made = Array.from({ length: 100 }, newSecret);
    expect(made.filter((text) => !isSecret(text))).toEqual([]);
    expect(new Set(made).size).toBe(100);
    expect(made[0]).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  });

  test('are valid from 24 to 64 bytes', () => {
    const good = Array.from({ length: 100 }, (_, size) => size).filter((size) =>
      isSecret(secretOf(new Uint8Array(size))),
    );
    expect([good.at(0), good.at(-1), good.length]).toEqual([MIN_SECRET_BYTES, MAX_SECRET_BYTES, 41]);
  });

  test.each([
    ['nothing', ''],
    ['only the prefix', 'whsec_'],
    ['without the prefix', SECRET.slice('whsec_'.length)],
    ['another prefix', SECRET.replace('whsec', 'whpk')],
    ['in capitals', SECRET.replace('whsec', 'WHSEC')],
    ['without padding', newSecret().replace('=', '')],
    ['more padding', `${SECRET}=`],
    ['a space behind', `${SECRET} `],
    ['a line in it', `${SECRET.slice(0, 20)}\n${SECRET.slice(20)}`],
    ['in the alphabet of URLs', secretOf(new Uint8Array(32).fill(0xff)).replaceAll('/', '_')],
    ['bits that nothing stands for', `whsec_${'A'.repeat(42)}B=`],
  ])('are not valid: %s', (_what, text) => {
    expect(isSecret(text)).toBe(false);
  });

  test('are valid only if their base64 is canonical', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String({ maxLength: 120 })), (text) => {
        const isGood = isSecret(`whsec_${text}`);
        if (isGood) expect(secretOf(Buffer.from(text, 'base64'))).toBe(`whsec_${text}`);
      }),
      { numRuns: 1_000 },
    );
  });
});

/**
 * Sealed secrets open only for their endpoint and with a key of the hub.
 * @module
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Secrets } from '../../../../lambda/webhook/endpoint.ts';
import { secretSealer } from '../../../../lambda/webhook/outbound/sealed-secret.ts';
import { isSecret } from '../../../../lambda/webhook/outbound/standard-webhooks.ts';
import { SECRET } from '../../../support/webhooks/webhook-request.ts';

const KEY = Buffer.from('a key of the hub, of at least 32 bytes');
const NEXT = Buffer.from('the key that comes after it, as long');
const OTHER = Buffer.from('a key of another hub, somewhere else');
const SECRETS: Secrets = { current: SECRET, previous: undefined };

const sealer = (...keys: readonly Uint8Array[]) => secretSealer(async () => keys);

const secrets = fc.record({
  current: fc.string({ minLength: 1 }),
  previous: fc.option(fc.record({ secret: fc.string(), until: fc.nat() }), { nil: undefined }),
});

test('all sealed secrets can be opened', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string(),
      secrets,
      fc.uint8Array({ minLength: 32 }),
      async (endpoint, stored, key) => {
        const sealed = await sealer(key).seal(endpoint, stored);
        expect(sealed).toMatch(/^v1\.[A-Za-z0-9_-]+$/);
        expect(await sealer(key).open(endpoint, sealed)).toEqual(stored);
      },
    ),
  );
});

test('the sealed text shows nothing of the secret, and differs each time', async () => {
  const { seal } = sealer(KEY);
  const seals = await Promise.all(Array.from({ length: 20 }, () => seal('ep_1', SECRETS)));
  expect(new Set(seals).size).toBe(20);
  const shown = seals.map((sealed) => Buffer.from(sealed.slice(3), 'base64url').toString('latin1')).join();
  expect(shown).not.toContain('whsec');
  expect(seals.join()).not.toContain(Buffer.from(SECRET).toString('base64url'));
});

test('the previous key still opens, but does not seal', async () => {
  const before = await sealer(KEY).seal('ep_1', SECRETS);
  const rotated = sealer(NEXT, KEY);
  expect(await rotated.open('ep_1', before)).toEqual(SECRETS);
  const after = await rotated.seal('ep_1', SECRETS);
  expect(await sealer(NEXT).open('ep_1', after)).toEqual(SECRETS);
  await expect(sealer(KEY).open('ep_1', after)).rejects.toThrow('cannot be opened');
});

test('a secret that was sealed with a newer key is opened, and newer keys are read at most once', async () => {
  const [before, after] = [[KEY], [NEXT, KEY]];
  const looks: boolean[] = [];
  const behind = secretSealer(async (isMissed = false) => {
    looks.push(isMissed);
    return isMissed ? after : before;
  });
  expect(await behind.open('ep_1', await sealer(KEY).seal('ep_1', SECRETS))).toEqual(SECRETS);
  expect(looks).toEqual([false]);
  expect(await behind.open('ep_1', await sealer(NEXT, KEY).seal('ep_1', SECRETS))).toEqual(SECRETS);
  await expect(behind.open('ep_1', await sealer(OTHER).seal('ep_1', SECRETS))).rejects.toThrow(
    'cannot be opened',
  );
  expect(looks).toEqual([false, false, true, false, true]);
  await expect(behind.open('ep_1', 'v1.short')).rejects.toThrow('cannot be opened');
  expect(looks).toHaveLength(5);
});

describe('a sealed secret is not opened', () => {
  const refused = async (sealed: string, endpoint = 'ep_1', keys: readonly Uint8Array[] = [KEY]) => {
    const error: unknown = await sealer(...keys)
      .open(endpoint, sealed)
      .catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe('Error: sealed secrets cannot be opened: no key fits, or they were changed');
  };

  test('for another endpoint', async () => {
    await refused(await sealer(KEY).seal('ep_2', SECRETS));
  });

  test('with other keys, or none', async () => {
    const sealed = await sealer(KEY).seal('ep_1', SECRETS);
    await refused(sealed, 'ep_1', [OTHER, NEXT]);
    await refused(sealed, 'ep_1', []);
  });

  test('with any one bit of it flipped', async () => {
    const sealed = Buffer.from((await sealer(KEY).seal('ep_1', SECRETS)).slice(3), 'base64url');
    for (let bit = 0; bit < sealed.byteLength * 8; bit++) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      await refused(`v1.${changed.toString('base64url')}`);
    }
  });

  test('cut short at any position, or in another format', async () => {
    const sealed = await sealer(KEY).seal('ep_1', SECRETS);
    for (let length = 0; length < sealed.length; length++) await refused(sealed.slice(0, length));
    for (const text of [`v2.${sealed.slice(3)}`, `${sealed}AAAA`, sealed.slice(3), SECRET])
      await refused(text);
  });
});

test('without a key nothing is sealed, and an error of the key store is thrown', async () => {
  await expect(sealer().seal('ep_1', SECRETS)).rejects.toThrow('no key to seal with');
  const broken = secretSealer(() => Promise.reject(new Error('throttled')));
  await expect(broken.seal('ep_1', SECRETS)).rejects.toThrow('throttled');
  await expect(broken.open('ep_1', await sealer(KEY).seal('ep_1', SECRETS))).rejects.toThrow('throttled');
});

test('new secrets are valid', () => {
  expect(isSecret(sealer(KEY).newSecret())).toBe(true);
});

/**
 * Which addresses are public: tables of special addresses, rules that hold for every address, and a foreign library.
 * @module
 */
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, test } from 'vitest';
import { isLoopback, isPublic } from '../../../../lambda/webhook/outbound/public-address.ts';
import { GOOD, HOSTILE } from '../../../support/network/addresses.ts';

describe('isPublic', () => {
  test.each(HOSTILE)('refuses %s: %s', (_what, _host, address) => {
    expect(isPublic(address)).toBe(false);
  });

  test.each(GOOD)('accepts %s: %s', (_what, _host, address) => {
    expect(isPublic(address)).toBe(true);
  });

  test.each(['', 'localhost', '127.1', '2130706433', '1.1.1.1:443', '[2606:4700::1]', '2606:4700::1%eth0'])(
    'refuses text that is not an address: %j',
    (text) => {
      expect(isPublic(text)).toBe(false);
    },
  );

  test('refuses every IPv4 address that is wrapped in an IPv6 address', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
        const hex = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
        const wrapped = [`::ffff:${address}`, `::${address}`, `64:ff9b::${address}`, `64:ff9b:1::${address}`];
        for (const form of [...wrapped, `::ffff:0:${address}`, `2002:${hex}::1`, `2001:0:${hex}::1`]) {
          expect(isPublic(form), form).toBe(false);
        }
      }),
    );
  });

  test('refuses every IPv6 address outside of 2000::/3', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const first = Number.parseInt(address.split(':')[0] || '0', 16);
        if (first >> 13 !== 1) expect(isPublic(address)).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  test('accepts exactly those /8 as a whole that have no special range', () => {
    const special = [0, 10, 100, 127, 169, 172, 192, 198, 203];
    for (let first = 0; first < 256; first++) {
      const isWhole = first < 224 && !special.includes(first);
      const seen = [`${first}.0.0.0`, `${first}.64.0.0`, `${first}.168.1.1`, `${first}.255.255.255`].map(
        isPublic,
      );
      if (isWhole) expect(seen).toEqual([true, true, true, true]);
      else if (first >= 224 || [0, 10, 127].includes(first))
        expect(seen).toEqual([false, false, false, false]);
    }
  });
});

describe('ipaddr.js', () => {
  test.each([
    ['::127.0.0.1', 'ipv4Mapped'],
    ['::ffff:127.0.0.1', 'ipv4Mapped'],
    ['::7f00:1', 'unicast'],
  ])('calls %s %s, and isPublic refuses it', (address, range) => {
    expect(ipaddr.parse(address).range()).toBe(range);
    expect(isPublic(address)).toBe(false);
  });

  test('knows another spelling of an IPv4-compatible address than URLs have', () => {
    expect(new URL('https://[::127.0.0.1]/').hostname).toBe('[::7f00:1]');
  });

  test('calls every address unicast that isPublic accepts', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        if (isPublic(address)) expect(ipaddr.parse(address).range(), address).toBe('unicast');
      }),
      { numRuns: 1_000 },
    );
  });
});

test('isLoopback accepts only the plain spellings', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1', '0:0:0:0:0:0:0:1'].map(isLoopback)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  const others = [
    '128.0.0.1',
    '0.0.0.0',
    '::',
    '::ffff:127.0.0.1',
    '::127.0.0.1',
    '10.0.0.1',
    'localhost',
    '',
  ];
  expect(others.filter(isLoopback)).toEqual([]);
});

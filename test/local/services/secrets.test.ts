import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomPassword } from '../../../local/services/secrets.ts';

describe('passwords', () => {
  it('follow their rules', () => {
    const rules = fc.record({
      PasswordLength: fc.integer({ min: 8, max: 80 }),
      ExcludePunctuation: fc.boolean(),
      ExcludeUppercase: fc.boolean(),
      ExcludeNumbers: fc.boolean(),
      ExcludeCharacters: fc.constantFrom('', 'abc', '0O1l'),
    });
    fc.assert(
      fc.property(rules, (rule) => {
        const password = randomPassword(rule);
        expect(password).toHaveLength(rule.PasswordLength);
        expect(/[A-Z]/.test(password)).toBe(!rule.ExcludeUppercase);
        expect(/[0-9]/.test(password)).toBe(!rule.ExcludeNumbers);
        expect(/[^A-Za-z0-9]/.test(password)).toBe(!rule.ExcludePunctuation);
        for (const character of rule.ExcludeCharacters) expect(password).not.toContain(character);
      }),
    );
  });

  it('without allowed characters are refused', () => {
    const rules = {
      ExcludeLowercase: true,
      ExcludeUppercase: true,
      ExcludeNumbers: true,
      ExcludePunctuation: true,
    };
    expect(() => randomPassword(rules)).toThrow('a generated secret excludes every character');
  });
});

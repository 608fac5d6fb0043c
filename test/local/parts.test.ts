import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRouter } from '../../local/apigateway/routes.ts';
import { createFaults } from '../../local/faults/faults.ts';
import { randomPassword } from '../../local/services/secrets.ts';

describe('routes', () => {
  const keys = [
    'ANY /{proxy+}',
    'ANY /things',
    'GET /things',
    'GET /things/{id}',
    'GET /things/new',
    'POST /things/{id}/parts/{part}',
    'ANY /things/{id}/{rest+}',
    '$default',
  ];
  const route = createRouter(keys.map((key) => ({ key, target: key })));

  it.each([
    ['GET', '/things', 'GET /things', undefined],
    ['PUT', '/things', 'ANY /things', undefined],
    ['GET', '/things/1', 'GET /things/{id}', { id: '1' }],
    ['GET', '/things/new', 'GET /things/new', undefined],
    ['PUT', '/things/1', 'ANY /{proxy+}', { proxy: 'things/1' }],
    ['POST', '/things/1/parts/2', 'POST /things/{id}/parts/{part}', { id: '1', part: '2' }],
    ['GET', '/things/1/parts/2', 'ANY /things/{id}/{rest+}', { id: '1', rest: 'parts/2' }],
    ['GET', '/a/b/c', 'ANY /{proxy+}', { proxy: 'a/b/c' }],
    ['GET', '/', '$default', undefined],
  ])('%s %s takes %s', (method, path, key, pathParameters) => {
    const found = route(method, path);
    expect(found?.route.key).toBe(key);
    expect(found?.pathParameters).toEqual(pathParameters);
  });

  it('need a method and a path', () => {
    expect(() => createRouter([{ key: 'things', target: 1 }])).toThrow('the route key things must be');
  });
});

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

  it('of no characters are refused', () => {
    const rules = {
      ExcludeLowercase: true,
      ExcludeUppercase: true,
      ExcludeNumbers: true,
      ExcludePunctuation: true,
    };
    expect(() => randomPassword(rules)).toThrow('a generated secret excludes every character');
  });
});

describe('faults', () => {
  it('count the calls that they match, and only those', () => {
    const faults = createFaults();
    faults.add({ function: 'Work', action: 'a:Put', call: 2, times: 2, at: 'before', effect: 'kill' });
    const strikes = ['a:Put', 'a:Get', 'a:Put', 'a:Put', 'a:Put'].map((action) => {
      return faults.effectOn('Front/Work', 'before', { action, resources: [] }) !== undefined;
    });
    expect(strikes).toEqual([false, false, true, true, false]);
  });

  it('come one at a time', () => {
    const faults = createFaults();
    faults.add({ function: '', at: 'before', effect: { delayMs: 1 } });
    faults.add({ function: '', at: 'before', effect: 'kill' });
    expect(faults.effectOn('x', 'before')?.kind).toBe('delay');
    expect(faults.effectOn('x', 'before')?.kind).toBe('kill');
    expect(faults.effectOn('x', 'before')).toBeUndefined();
  });
});

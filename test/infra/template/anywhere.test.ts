/**
 * The template works in every partition: ARNs and host names of AWS are composed at deployment.
 * @module
 */
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { templatesOf } from './synthesized.ts';

const ROOT = resolve(import.meta.dirname, '../../..');

/** `arn:aws:…` is another ARN in China, and `amazonaws.com` another suffix. */
const OF_ONE_PARTITION = /arn:aws(-[a-z-]+)?:|amazonaws\.com|api\.aws\b/g;

/** Principals of services have the same name in every partition: IAM translates them. */
const PRINCIPAL = /"(?:Service|Principal)":"[a-z.]+\.amazonaws\.com"/g;

const EVERYTHING = {
  'tidings:socketLogs': true,
  'tidings:monthlyBudget': 50,
  'tidings:budgetEmail': 'a@example.com',
  'tidings:alarmEmail': 'a@example.com',
};

test.each([{}, EVERYTHING, { 'tidings:edge': false }])(
  'the templates contain no partition and no suffix of one: %j',
  (context) => {
    for (const template of Object.values(templatesOf(context))) {
      const text = JSON.stringify(template.toJSON());
      expect(text.replace(PRINCIPAL, '').match(OF_ONE_PARTITION) ?? []).toEqual([]);
    }
  },
);

test('no deployed source contains them, except in principals of services and comments', () => {
  const files = globSync('{bin,lib,lambda,protocol}/**/*.{ts,js}', { cwd: ROOT });
  expect(files.length).toBeGreaterThan(100);
  const found = files.flatMap((file) => {
    const code = readFileSync(resolve(ROOT, file), 'utf8')
      .replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')
      .replace(/new iam\.ServicePrincipal\('[a-z.]+'\)/g, '');
    return [...code.matchAll(OF_ONE_PARTITION)].map(([text]) => `${file}: ${text}`);
  });
  expect(found).toEqual([]);
});

/**
 * References to secrets in a template, and the headers that a distribution adds to requests to its origins.
 * @module
 */
import { expect, test } from 'vitest';
import { withSecrets } from '../../../local/template/dynamic-references.ts';
import type { Plan } from '../../../local/template/plan.ts';

const ARN = 'arn:aws:secretsmanager:us-east-1:000000000000:secret:Hub-Door-1a2b3c';
const textOf = (id: string): string | undefined => ({ [ARN]: 'whole', keys: '{"current":"part"}' })[id];

/** Returns the value that a property has after its references were resolved. */
function resolved(value: unknown): unknown {
  const resource = { stack: 'S', logicalId: 'R', path: 'S/R', type: 'T', name: 'r', properties: { value } };
  const plan: Plan = {
    functions: new Map(),
    resourcePolicies: () => [],
    all: () => [resource],
    outputs: {},
  };
  return withSecrets(plan, textOf).all('T')[0]?.properties.value;
}

test.each([
  [`{{resolve:secretsmanager:${ARN}:SecretString:::}}`, 'whole'],
  [`{{resolve:secretsmanager:${ARN}}}`, 'whole'],
  ['{{resolve:secretsmanager:keys:SecretString:current::}}', 'part'],
  ['{{resolve:secretsmanager:keys:SecretString:current:AWSCURRENT:}}', 'part'],
  [`a {{resolve:secretsmanager:${ARN}:SecretString:::}} b`, 'a whole b'],
  [[{ deep: `{{resolve:secretsmanager:${ARN}:SecretString:::}}` }], [{ deep: 'whole' }]],
  ['no reference', 'no reference'],
  [7, 7],
])('%j becomes %j', (value, expected) => {
  expect(resolved(value)).toEqual(expected);
});

test.each([
  ['{{resolve:ssm:/a/b}}', 'only the current value of a secret is understood here'],
  [`{{resolve:secretsmanager:${ARN}:SecretString::AWSPREVIOUS:}}`, 'only the current value'],
  ['{{resolve:secretsmanager:other:SecretString:::}}', 'refers to the secret other, which no template has'],
  ['{{resolve:secretsmanager:keys:SecretString:next::}}', 'refers to next of the secret keys'],
])('%s is refused with a sentence that names the resource', (value, sentence) => {
  expect(() => resolved(value)).toThrow(sentence);
  expect(() => resolved(value)).toThrow('S/R (S/R, T)');
});

/**
 * Resolves the dynamic references of a template: texts that stand for the value of a secret.
 * @see https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-secretsmanager.html
 * @module
 */
import type { Resolved } from './assembly.ts';
import { isObject, objectOr, parseJson, stringOr } from './json.ts';
import type { FunctionPlan, Plan } from './plan.ts';
import { describeResource } from './resources.ts';

/** Returns the text of a secret by its ARN or name; undefined for a secret that no template has. */
export type SecretText = (id: string) => string | undefined;

const ANY = /\{\{resolve:[^}]*\}\}/g;

/** The ARN or name, the key in its JSON, the stage and the version. An ARN contains colons itself. */
const OF_A_SECRET =
  /^\{\{resolve:secretsmanager:(arn:(?:[^:}]*:){5}[^:}]+|[^:}]+)(?::SecretString)?(?::([^:}]*))?(?::(?:AWSCURRENT)?)?:?\}\}$/;

/**
 * Returns the plan with the values of secrets in place of the references to them.
 * @throws Error with one sentence for a reference that is not understood
 */
export function withSecrets(plan: Plan, textOf: SecretText): Plan {
  const valuesIn = (value: unknown, at: string): unknown => {
    if (typeof value === 'string') return value.replace(ANY, (reference) => secretIn(reference, textOf, at));
    if (Array.isArray(value)) return value.map((item) => valuesIn(item, at));
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, valuesIn(item, at)]));
  };
  const resolved = (resource: Resolved): Resolved => ({
    ...resource,
    properties: objectOr(valuesIn(resource.properties, describeResource(resource))),
  });
  const configured = (one: FunctionPlan): FunctionPlan => ({
    ...one,
    environment: Object.fromEntries(
      Object.entries(one.environment).map(([name, value]) => [name, String(valuesIn(value, one.path))]),
    ),
  });
  // Each type once: the parts of the stack ask for the same resources.
  const types = new Map<string, readonly Resolved[]>();
  return {
    ...plan,
    functions: new Map([...plan.functions].map(([arn, one]) => [arn, configured(one)])),
    all(type) {
      const known = types.get(type) ?? plan.all(type).map(resolved);
      types.set(type, known);
      return known;
    },
  };
}

function secretIn(reference: string, textOf: SecretText, at: string): string {
  const [, id, key = ''] = OF_A_SECRET.exec(reference) ?? [];
  if (id === undefined)
    throw new Error(
      `${at} has the reference ${reference}: only the current value of a secret is understood here`,
    );
  const text = textOf(id);
  if (text === undefined) throw new Error(`${at} refers to the secret ${id}, which no template has`);
  if (key === '') return text;
  const value = stringOr(objectOr(parseJson(text))[key], undefined);
  if (value === undefined)
    throw new Error(`${at} refers to ${key} of the secret ${id}, which has no such text`);
  return value;
}

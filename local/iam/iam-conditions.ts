/**
 * The conditions of policies: their operators, and the values that they compare.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 * @module
 */

import { asList, isObject, requireString } from '../template/json.ts';
import { matchesArn, matchesWildcard } from './iam-match.ts';

/** The values of the condition keys of one request. A key may have several values. */
export type ConditionContext = Readonly<Record<string, readonly string[]>>;

/** One condition of a statement. */
export interface Condition {
  /** Such as `aws:SourceArn`; not case-sensitive. */
  readonly key: string;
  /** Returns true if the condition is met by the values of the key; undefined for a key without a value. */
  readonly holds: (actual: readonly string[] | undefined) => boolean;
}

/** The condition keys that have values for every policy. */
export const REQUEST_KEYS: readonly string[] = [
  'aws:SecureTransport',
  'aws:RequestedRegion',
  'aws:PrincipalArn',
  'aws:PrincipalAccount',
  'aws:ResourceAccount',
];

/**
 * Checks that the conditions of statements use only keys that have values. A key without a value would silently count as
 * absent.
 * @param who name of the policy in the error
 * @throws Error for any other key
 */
export function refuseUnknownKeys(
  statements: readonly { readonly conditions: readonly Condition[] }[],
  supplied: readonly string[],
  who: string,
): void {
  const known = supplied.map((key) => key.toLowerCase());
  for (const { key } of statements.flatMap(({ conditions }) => conditions)) {
    if (known.includes(key.toLowerCase())) continue;
    throw new Error(`${who} has a condition on ${key}; supplied are ${supplied.join(', ')}`);
  }
}

/** Returns the values of a key. Condition keys are not case-sensitive. */
export function lookUp(context: ConditionContext, key: string): readonly string[] | undefined {
  const wanted = key.toLowerCase();
  for (const [name, values] of Object.entries(context)) if (name.toLowerCase() === wanted) return values;
  return undefined;
}

type Compare = (actual: string, wanted: string) => boolean;

const numbers = (compare: (a: number, b: number) => boolean): Compare => {
  return (actual, wanted) => compare(Number(actual), Number(wanted));
};
const dates = (compare: (a: number, b: number) => boolean): Compare => {
  return (actual, wanted) => compare(timeOf(actual), timeOf(wanted));
};
const timeOf = (value: string) => (/^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value));
const equal: Compare = (actual, wanted) => actual === wanted;
const same: Compare = (actual, wanted) => actual.toLowerCase() === wanted.toLowerCase();
const like: Compare = (actual, wanted) => matchesWildcard(wanted, actual);
const arn: Compare = (actual, wanted) => matchesArn(wanted, actual);

/** @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html */
const OPERATORS: Readonly<Record<string, { compare: Compare; negated?: true }>> = {
  StringEquals: { compare: equal },
  StringNotEquals: { compare: equal, negated: true },
  StringEqualsIgnoreCase: { compare: same },
  StringNotEqualsIgnoreCase: { compare: same, negated: true },
  StringLike: { compare: like },
  StringNotLike: { compare: like, negated: true },
  ArnEquals: { compare: arn },
  ArnLike: { compare: arn },
  ArnNotEquals: { compare: arn, negated: true },
  ArnNotLike: { compare: arn, negated: true },
  Bool: { compare: same },
  NumericEquals: { compare: numbers((a, b) => a === b) },
  NumericNotEquals: { compare: numbers((a, b) => a === b), negated: true },
  NumericLessThan: { compare: numbers((a, b) => a < b) },
  NumericLessThanEquals: { compare: numbers((a, b) => a <= b) },
  NumericGreaterThan: { compare: numbers((a, b) => a > b) },
  NumericGreaterThanEquals: { compare: numbers((a, b) => a >= b) },
  DateEquals: { compare: dates((a, b) => a === b) },
  DateLessThan: { compare: dates((a, b) => a < b) },
  DateGreaterThan: { compare: dates((a, b) => a > b) },
};

/**
 * Parses the `Condition` of a statement.
 * @param name of the policy in the error
 * @throws Error for an operator that is not understood
 */
export function parseConditions(block: unknown, name: string): Condition[] {
  if (block === undefined) return [];
  if (!isObject(block)) throw new Error(`policy ${name} has the condition ${JSON.stringify(block)}`);
  return Object.entries(block).flatMap(([operator, entries]) => {
    if (!isObject(entries)) throw new Error(`policy ${name} has no keys below ${operator}`);
    return Object.entries(entries).map(([key, wanted]) => {
      return { key, holds: parseOperator(operator, asList(wanted).map(textOf), name) };
    });
  });
}

const textOf = (value: unknown) =>
  typeof value === 'boolean' || typeof value === 'number'
    ? String(value)
    : requireString(value, 'a condition value');

function parseOperator(written: string, wanted: string[], name: string): Condition['holds'] {
  if (written === 'Null')
    return (actual) => wanted.some((value) => (actual === undefined) === (value === 'true'));
  const [, set, base, ifExists] = /^(ForAllValues:|ForAnyValue:)?(.*?)(IfExists)?$/.exec(written) ?? [];
  const operator = Object.hasOwn(OPERATORS, base ?? '') ? OPERATORS[base ?? ''] : undefined;
  if (operator === undefined)
    throw new Error(`policy ${name} has the condition operator ${written}, which is not evaluated`);
  const { compare, negated = false } = operator;
  const one = (actual: string) => wanted.some((value) => compare(actual, value)) !== negated;
  return (actual) => {
    if (actual === undefined || actual.length === 0) {
      // An absent key meets ...IfExists, ForAllValues, and every negated operator.
      return ifExists !== undefined || set === 'ForAllValues:' || (negated && set !== 'ForAnyValue:');
    }
    return set === 'ForAnyValue:' ? actual.some(one) : actual.every(one);
  };
}

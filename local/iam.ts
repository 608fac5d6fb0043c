/**
 * Decides, as IAM does for identity policies, whether a role may do an action on a resource.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 * @module
 */
import { isObject, type JsonObject, listOf, requireString, stringsOf } from './json.ts';

/** Values of the condition keys of one request; multi-valued keys hold several. */
export type ConditionContext = Readonly<Record<string, readonly string[]>>;

export interface Statement {
  readonly effect: 'Allow' | 'Deny';
  readonly actions: readonly string[];
  readonly notActions: boolean;
  readonly resources: readonly string[];
  readonly notResources: boolean;
  readonly conditions: readonly Condition[];
}

interface Condition {
  readonly key: string;
  readonly holds: (actual: readonly string[] | undefined) => boolean;
}

/** An Allow that matched: the statement and the very patterns, so that unused grants can be reported. */
export interface Match {
  readonly statement: Statement;
  readonly action: string;
  readonly resource: string;
}

export type Decision =
  | { readonly allowed: true; readonly matches: readonly Match[] }
  | { readonly allowed: false; readonly explicitDeny: boolean };

/** Parses a policy document; throws on an element, an operator or a variable that is not evaluated here. */
export function parsePolicy(document: unknown, name: string): Statement[] {
  if (!isObject(document))
    throw new Error(`policy ${name} must be an object, got ${JSON.stringify(document)}`);
  return listOf(document.Statement).map((entry) => {
    if (!isObject(entry)) throw new Error(`policy ${name} has the statement ${JSON.stringify(entry)}`);
    return parseStatement(entry, name);
  });
}

const ELEMENTS = new Set([
  'Sid',
  'Effect',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
  'Principal',
]);

function parseStatement(entry: JsonObject, name: string): Statement {
  for (const element of Object.keys(entry)) {
    if (!ELEMENTS.has(element))
      throw new Error(`policy ${name} has the element ${element}, which is not evaluated`);
  }
  const effect = entry.Effect;
  if (effect !== 'Allow' && effect !== 'Deny') {
    throw new Error(`policy ${name} has the effect ${JSON.stringify(effect)}: it must be "Allow" or "Deny"`);
  }
  const notActions = entry.NotAction !== undefined;
  const notResources = entry.NotResource !== undefined;
  const actions = stringsOf(notActions ? entry.NotAction : entry.Action, `an action of policy ${name}`);
  const resources = stringsOf(
    notResources ? entry.NotResource : entry.Resource,
    `a resource of policy ${name}`,
  );
  for (const pattern of [...actions, ...resources]) {
    if (pattern.includes('${'))
      throw new Error(`policy ${name} has the variable ${pattern}, which is not evaluated`);
  }
  return {
    effect,
    actions,
    notActions,
    resources,
    notResources,
    conditions: parseConditions(entry.Condition, name),
  };
}

/** Evaluates the statements: an explicit Deny wins, then an Allow, else the request is denied. */
export function evaluate(
  statements: readonly Statement[],
  action: string,
  resource: string,
  context: ConditionContext = {},
): Decision {
  const matches: Match[] = [];
  for (const statement of statements) {
    const match = matchStatement(statement, action, resource);
    if (match === undefined || !statement.conditions.every(({ key, holds }) => holds(lookUp(context, key))))
      continue;
    if (statement.effect === 'Deny') return { allowed: false, explicitDeny: true };
    matches.push(match);
  }
  return matches.length > 0 ? { allowed: true, matches } : { allowed: false, explicitDeny: false };
}

function matchStatement(statement: Statement, action: string, resource: string): Match | undefined {
  const actionPattern = statement.actions.find((pattern) =>
    matchesWildcard(pattern.toLowerCase(), action.toLowerCase()),
  );
  const resourcePattern = statement.resources.find((pattern) => matchesArn(pattern, resource));
  if ((actionPattern === undefined) !== statement.notActions) return undefined;
  if ((resourcePattern === undefined) !== statement.notResources) return undefined;
  return { statement, action: actionPattern ?? 'NotAction', resource: resourcePattern ?? 'NotResource' };
}

/** Condition keys are not case sensitive. */
function lookUp(context: ConditionContext, key: string): readonly string[] | undefined {
  const wanted = key.toLowerCase();
  for (const [name, values] of Object.entries(context)) if (name.toLowerCase() === wanted) return values;
  return undefined;
}

const ARN_PARTS = 6;

/**
 * Part by part: `*` does not reach over a colon in the first five. IAM completes a shorter pattern with `*`.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
 */
export function matchesArn(pattern: string, arn: string): boolean {
  if (pattern === '*') return true;
  const wanted = splitArn(pattern);
  const given = splitArn(arn);
  return given.every((part, index) => matchesWildcard(wanted[index] ?? '*', part));
}

/** At most six parts: the last may hold colons of its own. */
function splitArn(arn: string): string[] {
  const parts = arn.split(':');
  const last = parts.slice(ARN_PARTS - 1).join(':');
  return parts.length < ARN_PARTS ? parts : [...parts.slice(0, ARN_PARTS - 1), last];
}

const compiled = new Map<string, RegExp>();

/** `*` is any run of characters, `?` is one. Compiled once: each SDK call of each function comes through here. */
export function matchesWildcard(pattern: string, value: string): boolean {
  if (pattern === value) return true;
  if (!/[*?]/.test(pattern)) return false;
  let expression = compiled.get(pattern);
  if (expression === undefined) {
    const escaped = pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    expression = new RegExp(`^${escaped}$`, 's');
    compiled.set(pattern, expression);
  }
  return expression.test(value);
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

function parseConditions(block: unknown, name: string): Condition[] {
  if (block === undefined) return [];
  if (!isObject(block)) throw new Error(`policy ${name} has the condition ${JSON.stringify(block)}`);
  return Object.entries(block).flatMap(([operator, entries]) => {
    if (!isObject(entries)) throw new Error(`policy ${name} has no keys below ${operator}`);
    return Object.entries(entries).map(([key, wanted]) => {
      return { key, holds: parseOperator(operator, listOf(wanted).map(textOf), name) };
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
      // A key that is absent satisfies ...IfExists, ForAllValues, and every negated operator.
      return ifExists !== undefined || set === 'ForAllValues:' || (negated && set !== 'ForAnyValue:');
    }
    return set === 'ForAnyValue:' ? actual.some(one) : actual.every(one);
  };
}

/**
 * Decides, as IAM does within one account, whether somebody may do an action on a resource: by the policies of who asks,
 * and by the policy of the resource.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
 * @module
 */

import { isObject, type JsonObject, listOf, stringsOf } from '../template/json.ts';
import { type Condition, type ConditionContext, lookUp, parseConditions } from './iam-conditions.ts';
import { matchesArn, matchesWildcard } from './iam-match.ts';
import { meant, type Principals, parsePrincipals, type Requester } from './iam-principals.ts';

export interface Statement {
  readonly effect: 'Allow' | 'Deny';
  /** Undefined in the policy of an identity, which means that identity. */
  readonly principals: Principals | undefined;
  readonly actions: readonly string[];
  readonly notActions: boolean;
  readonly resources: readonly string[];
  readonly notResources: boolean;
  readonly conditions: readonly Condition[];
}

/** An Allow that matched: the statement and the very patterns, so that unused grants can be reported. */
export interface Match {
  readonly statement: Statement;
  readonly action: string;
  readonly resource: string;
}

type PolicyKind = 'identity-based' | 'resource-based';

export type Decision =
  /** The statements of the identity that allowed it; none if the policy of the resource did so alone. */
  | { readonly allowed: true; readonly matches: readonly Match[] }
  /** The kind of policy that denies it, or undefined if none allows it. */
  | { readonly allowed: false; readonly explicitDeny: PolicyKind | undefined };

export interface Question {
  readonly requester: Requester;
  readonly action: string;
  readonly resource: string;
  readonly context: ConditionContext;
}

/** Parses the policy of an identity; throws on an element, an operator or a variable that is not evaluated here. */
export function parsePolicy(document: unknown, name: string): Statement[] {
  return statementsOf(document, name).map((entry) => {
    if (entry.Principal !== undefined)
      throw new Error(`policy ${name} has a Principal, which only the policy of a resource has`);
    return parseStatement(entry, name, undefined);
  });
}

/** Parses the policy of a resource, in which each statement says whom it means. */
export function parseResourcePolicy(document: unknown, name: string): Statement[] {
  return statementsOf(document, name).map((entry) =>
    parseStatement(entry, name, parsePrincipals(entry.Principal, name)),
  );
}

function statementsOf(document: unknown, name: string): JsonObject[] {
  if (!isObject(document))
    throw new Error(`policy ${name} must be an object, got ${JSON.stringify(document)}`);
  return listOf(document.Statement).map((entry) => {
    if (isObject(entry)) return entry;
    throw new Error(`policy ${name} has the statement ${JSON.stringify(entry)}`);
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

function parseStatement(entry: JsonObject, name: string, principals: Principals | undefined): Statement {
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
    principals,
    actions,
    notActions,
    resources,
    notResources,
    conditions: parseConditions(entry.Condition, name),
  };
}

/**
 * An explicit Deny in either policy wins; then an Allow in either is enough, and without one the request is denied. An
 * Allow for the whole account only lets that account decide, so that it takes the policy of the identity as well.
 */
export function decide(
  identity: readonly Statement[],
  ofResource: readonly Statement[],
  question: Question,
): Decision {
  const byIdentity = matchesIn(identity, question);
  const byResource = matchesIn(ofResource, question);
  const isDeny = ({ statement }: Match) => statement.effect === 'Deny';
  if (byIdentity.some(isDeny)) return { allowed: false, explicitDeny: 'identity-based' };
  if (byResource.some(isDeny)) return { allowed: false, explicitDeny: 'resource-based' };
  const isGrant = ({ statement: { principals } }: Match) =>
    principals !== undefined && meant(principals, question.requester) === 'itself';
  if (byIdentity.length > 0 || byResource.some(isGrant)) return { allowed: true, matches: byIdentity };
  return { allowed: false, explicitDeny: undefined };
}

function matchesIn(statements: readonly Statement[], question: Question): Match[] {
  const { requester, action, resource, context } = question;
  return statements.flatMap((statement) => {
    const { principals, conditions } = statement;
    if (principals !== undefined && meant(principals, requester) === undefined) return [];
    const match = matchStatement(statement, action, resource);
    if (match === undefined) return [];
    return conditions.every(({ key, holds }) => holds(lookUp(context, key))) ? [match] : [];
  });
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

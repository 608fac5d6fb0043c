/**
 * Decides, as IAM does within one account, if a requester may do an action on a resource: by the policies of the requester and
 * by the policy of the resource.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
 * @module
 */

import { asList, isObject, type JsonObject, stringsOf } from '../template/json.ts';
import { type Condition, type ConditionContext, lookUp, parseConditions } from './iam-conditions.ts';
import { matchesArn, matchesWildcard } from './iam-match.ts';
import { meant, type Principals, parsePrincipals, type Requester } from './iam-principals.ts';

/** One statement of a policy. */
export interface Statement {
  /** A Deny wins over every Allow. */
  readonly effect: 'Allow' | 'Deny';
  /** Undefined in the policy of an identity: it applies to that identity. */
  readonly principals: Principals | undefined;
  /** Patterns of actions. */
  readonly actions: readonly string[];
  /** True for `NotAction`: the statement applies to all other actions. */
  readonly notActions: boolean;
  /** Patterns of ARNs. */
  readonly resources: readonly string[];
  /** True for `NotResource`: the statement applies to all other resources. */
  readonly notResources: boolean;
  /** All of them must be met. */
  readonly conditions: readonly Condition[];
}

/** A statement that matched, with the patterns that matched, so that unused grants can be reported. */
export interface Match {
  /** The statement that matched. */
  readonly statement: Statement;
  /** Pattern of the action, or `NotAction`. */
  readonly action: string;
  /** Pattern of the resource, or `NotResource`. */
  readonly resource: string;
}

type PolicyKind = 'identity-based' | 'resource-based';

/** The answer of IAM. */
export type Decision =
  /** `matches`: the statements of the identity that allow the action; none if only the policy of the resource does. */
  | { readonly allowed: true; readonly matches: readonly Match[] }
  /** `explicitDeny`: the kind of policy that denies the action; undefined if no policy allows it. */
  | { readonly allowed: false; readonly explicitDeny: PolicyKind | undefined };

/** A request that IAM decides about. */
export interface Question {
  /** The sender of the request. */
  readonly requester: Requester;
  /** As in a policy: `sqs:SendMessage`. */
  readonly action: string;
  /** ARN, or `*` for an action without a resource. */
  readonly resource: string;
  /** The values of condition keys. */
  readonly context: ConditionContext;
}

/**
 * Parses the policy of an identity.
 * @param name of the policy in the error
 * @throws Error for an element, an operator or a variable that is not understood
 */
export function parsePolicy(document: unknown, name: string): Statement[] {
  return statementsOf(document, name).map((entry) => {
    if (entry.Principal !== undefined)
      throw new Error(`policy ${name} has a Principal, which only the policy of a resource has`);
    return parseStatement(entry, name, undefined);
  });
}

/**
 * Parses the policy of a resource, whose statements have principals.
 * @param name of the policy in the error
 * @throws Error for an element, an operator or a variable that is not understood
 */
export function parseResourcePolicy(document: unknown, name: string): Statement[] {
  return statementsOf(document, name).map((entry) =>
    parseStatement(entry, name, parsePrincipals(entry.Principal, name)),
  );
}

function statementsOf(document: unknown, name: string): JsonObject[] {
  if (!isObject(document))
    throw new Error(`policy ${name} must be an object, got ${JSON.stringify(document)}`);
  return asList(document.Statement).map((entry) => {
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
 * Decides about one request. A Deny in either policy wins. Otherwise an Allow in either policy is enough, and without one the
 * request is denied. If the policy of the resource allows only the account, the policy of the identity must allow the request.
 * @param identity the policies of the requester
 * @param ofResource the policy of the resource
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

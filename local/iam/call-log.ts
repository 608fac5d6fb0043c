/**
 * Decides about the AWS calls of functions. Counts the calls, and records the grants that were used.
 * @module
 */

import { ACCOUNT, LOCAL_REGION } from '../template/intrinsics.ts';
import type { FunctionPlan } from '../template/plan.ts';
import type { ResourcePolicies } from '../template/resource-policies.ts';
import { type Decision, decide, type Match, type Statement } from './iam.ts';
import type { ConditionContext } from './iam-conditions.ts';

/** The number of calls of one action by one function. */
export interface CallRecord {
  /** Construct path. */
  readonly function: string;
  /** As in a policy: `dynamodb:PutItem`. */
  readonly action: string;
  /** Calls since the start or since the last reset. */
  readonly count: number;
}

/** One action on one resource that the role of a function allows, with the patterns of its policy. */
export interface GrantRecord {
  /** Construct path. */
  readonly function: string;
  /** Pattern of actions. */
  readonly action: string;
  /** Pattern of ARNs. */
  readonly resource: string;
  /** True if the grant has allowed a call since the start. */
  readonly used: boolean;
}

/** The decisions about calls, and their records. */
export interface CallLog {
  /**
   * Decides by the role of the function and the policy of the resource. Marks the grants of the role that allow the call as
   * used.
   * @param more values of condition keys that only one service has
   */
  authorize(caller: FunctionPlan, action: string, resource: string, more?: ConditionContext): Decision;
  /** Counts one call. */
  count(caller: FunctionPlan, action: string): void;
  /** Returns the counts since the start or since {@link CallLog.forgetCalls}. */
  calls(): CallRecord[];
  /** Returns all grants of all roles. */
  grants(): GrantRecord[];
  /** Sets all counts to zero. The used grants stay marked. */
  forgetCalls(): void;
}

/** Returns the ARN of the session that the environments of a function have with its role. */
export const sessionArn = ({ role, name }: FunctionPlan) =>
  `arn:aws:sts::${ACCOUNT}:assumed-role/${role.name}/${name}`;

/** Maximum number of cached decisions for a function. Each connection has an ARN, and therefore a decision, of its own. */
const MAX_CACHED = 5_000;

/** Returns an empty call log for the functions, and the policies of the resources that they call. */
export function createCallLog(functions: readonly FunctionPlan[], policies: ResourcePolicies): CallLog {
  const counts = new Map<string, { function: string; action: string; count: number }>();
  const used = new Map<FunctionPlan, Map<Statement, Set<string>>>();

  function remember(caller: FunctionPlan, { statement, action, resource }: Match): void {
    const statements = used.get(caller) ?? new Map<Statement, Set<string>>();
    const patterns = statements.get(statement) ?? new Set<string>();
    patterns.add(`${action} ${resource}`);
    used.set(caller, statements.set(statement, patterns));
  }

  // Decisions can be cached, because the policies do not change while the stack runs.
  const cached = new Map<FunctionPlan, Map<string, Decision>>();

  function cachedFor(caller: FunctionPlan): Map<string, Decision> {
    const found = cached.get(caller);
    if (found !== undefined && found.size < MAX_CACHED) return found;
    const fresh = new Map<string, Decision>();
    cached.set(caller, fresh);
    return fresh;
  }

  return {
    authorize(caller, action, resource, more) {
      const decisions = cachedFor(caller);
      const question = `${action} ${resource}`;
      const known = more === undefined ? decisions.get(question) : undefined;
      if (known !== undefined) return known;
      const role = `arn:aws:iam::${ACCOUNT}:role/${caller.role.name}`;
      const decision = decide(caller.role.statements, policies(resource), {
        requester: { kind: 'role', role, session: sessionArn(caller) },
        action,
        resource,
        context: {
          'aws:SecureTransport': ['true'], // on AWS every call of an SDK is encrypted
          'aws:RequestedRegion': [LOCAL_REGION],
          'aws:PrincipalArn': [role],
          'aws:PrincipalAccount': [ACCOUNT],
          'aws:ResourceAccount': [ACCOUNT],
          ...more,
        },
      });
      if (decision.allowed) for (const match of decision.matches) remember(caller, match);
      if (more === undefined) decisions.set(question, decision);
      return decision;
    },
    count(caller, action) {
      const key = `${caller.path} ${action}`;
      const record = counts.get(key) ?? { function: caller.path, action, count: 0 };
      record.count += 1;
      counts.set(key, record);
    },
    calls: () => [...counts.values()],
    grants: () => functions.flatMap((entry) => grantsOf(entry, used.get(entry))),
    forgetCalls: () => counts.clear(),
  };
}

function grantsOf(entry: FunctionPlan, used: Map<Statement, Set<string>> | undefined): GrantRecord[] {
  const allows = entry.role.statements.filter(({ effect }) => effect === 'Allow');
  return allows.flatMap((statement) => {
    const patterns = used?.get(statement);
    const actions = statement.notActions ? ['NotAction'] : statement.actions;
    const resources = statement.notResources ? ['NotResource'] : statement.resources;
    return actions.flatMap((action) =>
      resources.map((resource) => {
        return {
          function: entry.path,
          action,
          resource,
          used: patterns?.has(`${action} ${resource}`) ?? false,
        };
      }),
    );
  });
}

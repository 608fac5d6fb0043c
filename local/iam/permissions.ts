/**
 * Who outside may invoke a function: the policy of the function is asked, since nobody outside has one of his own.
 * @module
 */

import { ACCOUNT } from '../template/intrinsics.ts';
import type { Plan } from '../template/plan.ts';
import { decide } from './iam.ts';
import type { ConditionContext } from './iam-conditions.ts';
import type { Requester } from './iam-principals.ts';

/** A service that invokes for something of the account: for a route of an API, or for a distribution. */
export interface Invoker {
  readonly service: string;
  readonly sourceArn: string;
}

/** True if the function lets in what the service does for that source. */
export const mayInvoke = (plan: Plan, functionArn: string, { service, sourceArn }: Invoker): boolean =>
  isAllowed(plan, functionArn, 'lambda:InvokeFunction', { kind: 'service', name: service }, from(sourceArn));

/** Whoever is not the owner of a role needs both. */
const URL_ACTIONS = ['lambda:InvokeFunctionUrl', 'lambda:InvokeFunction'];

/** True if the function lets its URL be called: by a service for a source, or (without one) by anybody. */
export function mayInvokeByUrl(plan: Plan, functionArn: string, authType: string, by?: Invoker): boolean {
  const requester: Requester = by ? { kind: 'service', name: by.service } : { kind: 'anybody' };
  const context = {
    ...(by ? from(by.sourceArn) : {}),
    ...byUrl(authType),
  };
  return URL_ACTIONS.every((action) => isAllowed(plan, functionArn, action, requester, context));
}

/** What Lambda adds to a request that comes by a URL of that auth type. */
export const byUrl = (authType: string) => ({
  'lambda:FunctionUrlAuthType': [authType],
  'lambda:InvokedViaFunctionUrl': ['true'],
});

const from = (sourceArn: string) => ({ 'aws:SourceArn': [sourceArn], 'aws:SourceAccount': [ACCOUNT] });

function isAllowed(
  plan: Plan,
  resource: string,
  action: string,
  requester: Requester,
  context: ConditionContext,
): boolean {
  return decide([], plan.resourcePolicies(resource), { requester, action, resource, context }).allowed;
}

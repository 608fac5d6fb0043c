/**
 * Decides if a service or an anonymous caller may invoke a function. They have no policies, so the policy of the function
 * decides.
 * @module
 */

import { ACCOUNT } from '../template/intrinsics.ts';
import type { Plan } from '../template/plan.ts';
import { decide } from './iam.ts';
import type { ConditionContext } from './iam-conditions.ts';
import type { Requester } from './iam-principals.ts';

/** A service that invokes a function for a route of an API or for a distribution. */
export interface Invoker {
  /** Name such as `apigateway.amazonaws.com`. */
  readonly service: string;
  /** ARN of the route or of the distribution. */
  readonly sourceArn: string;
}

/** Returns true if the policy of the function lets the service invoke it for that source. */
export const mayInvoke = (plan: Plan, functionArn: string, { service, sourceArn }: Invoker): boolean =>
  isAllowed(plan, functionArn, 'lambda:InvokeFunction', { kind: 'service', name: service }, from(sourceArn));

/** A caller without a role needs both. https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html */
const URL_ACTIONS = ['lambda:InvokeFunctionUrl', 'lambda:InvokeFunction'];

/** Returns true if the policy of the function lets the service call its URL, or everybody if `by` is undefined. */
export function mayInvokeByUrl(plan: Plan, functionArn: string, authType: string, by?: Invoker): boolean {
  const requester: Requester = by ? { kind: 'service', name: by.service } : { kind: 'anybody' };
  const context = {
    ...(by ? from(by.sourceArn) : {}),
    ...byUrl(authType),
  };
  return URL_ACTIONS.every((action) => isAllowed(plan, functionArn, action, requester, context));
}

/** Returns the condition keys of a request to a function URL with that auth type. */
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

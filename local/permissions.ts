/**
 * Resource-based policies of functions: who outside may invoke them.
 * @module
 */
import { matchesWildcard } from './iam.ts';
import type { Plan } from './plan.ts';

/** True if a `AWS::Lambda::Permission` lets `principal` do `action`, from `sourceArn` where it asks for one. */
export function mayInvoke(
  plan: Plan,
  functionArn: string,
  action: string,
  principal: string,
  sourceArn?: string,
): boolean {
  return plan.permissions.some((permission) => {
    if (permission.functionArn !== functionArn || !matchesWildcard(permission.action, action)) return false;
    if (permission.principal !== principal && permission.principal !== '*') return false;
    if (permission.sourceArn === undefined) return true;
    return sourceArn !== undefined && matchesWildcard(permission.sourceArn, sourceArn);
  });
}

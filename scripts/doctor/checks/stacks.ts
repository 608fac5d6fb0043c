/**
 * Checks whether CloudFormation accepts an update of each stack in its current state.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
 * @module
 */

import { type Check, type Finding, failure, fine, warning } from '../check.ts';
import type { DeployedStack } from '../deployed.ts';

/** The states in which CloudFormation accepts no update, and the command that ends each. */
const BLOCKED: Readonly<Record<string, (stack: string) => string>> = {
  UPDATE_ROLLBACK_FAILED: (stack) => `aws cloudformation continue-update-rollback --stack-name ${stack}`,
  IMPORT_ROLLBACK_FAILED: (stack) => `aws cloudformation continue-update-rollback --stack-name ${stack}`,
  CREATE_FAILED: (stack) => `aws cloudformation rollback-stack --stack-name ${stack}`,
  UPDATE_FAILED: (stack) => `aws cloudformation rollback-stack --stack-name ${stack}`,
  DELETE_FAILED: (stack) =>
    `aws cloudformation delete-stack --stack-name ${stack}; the events of the stack say what could not be deleted`,
};

/** Looks at the state of each stack. */
export const checkStacks: Check = async ({ assembly, deployed }) =>
  assembly.stacks.map(({ name }) => {
    const stack = deployed.find((other) => other.name === name);
    return stack ? stackFinding(stack) : fine(subjectOf(name), 'is new');
  });

const subjectOf = (stack: string): string => `stack ${stack}`;

function stackFinding(stack: DeployedStack): Finding {
  const { name, status } = stack;
  const fix = BLOCKED[status];
  if (fix)
    return failure(subjectOf(name), `is ${status}, in which CloudFormation accepts no update`, fix(name));
  // Nothing was created yet: the CDK deploys such a stack as a new one.
  if (status === 'REVIEW_IN_PROGRESS')
    return fine(subjectOf(name), 'is new: an earlier deployment ended before it began');
  if (status.endsWith('_IN_PROGRESS'))
    return failure(
      subjectOf(name),
      `is ${status}: another deployment is in progress`,
      'wait until it ends, and try again',
    );
  return status.startsWith('ROLLBACK_')
    ? failedCreationFinding(stack)
    : fine(subjectOf(name), `is ${status}`);
}

/** The CDK deletes a stack whose creation failed, and creates it again. It cannot delete a protected one. */
function failedCreationFinding({ name, status, isProtected, reason }: DeployedStack): Finding {
  const was = `is ${status}: its creation failed${reason === '' ? '' : ` ("${reason}")`}`;
  if (!isProtected)
    return warning(
      subjectOf(name),
      `${was}. The next deployment deletes the failed stack first`,
      'fix the error, and deploy again',
    );
  return failure(
    subjectOf(name),
    `${was}, and it is protected, so that no deployment can create it again`,
    `aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name ${name}`,
  );
}

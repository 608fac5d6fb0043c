/**
 * Whether CloudFormation takes a deployment of each stack in the state in which it is.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
 * @module
 */

import type { Check } from '../check.ts';
import type { DeployedStack } from '../deployed.ts';
import { type Finding, failure, fine, warning } from '../finding.ts';

/** What cures a state of which CloudFormation takes no update, by its name. */
const BLOCKED: Readonly<Record<string, (stack: string) => string>> = {
  UPDATE_ROLLBACK_FAILED: (stack) => `aws cloudformation continue-update-rollback --stack-name ${stack}`,
  IMPORT_ROLLBACK_FAILED: (stack) => `aws cloudformation continue-update-rollback --stack-name ${stack}`,
  CREATE_FAILED: (stack) => `aws cloudformation rollback-stack --stack-name ${stack}`,
  UPDATE_FAILED: (stack) => `aws cloudformation rollback-stack --stack-name ${stack}`,
  DELETE_FAILED: (stack) =>
    `aws cloudformation delete-stack --stack-name ${stack}; the events of the stack say what could not be deleted`,
};

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
    return failure(subjectOf(name), `is ${status}, in which CloudFormation takes no update`, fix(name));
  // Nothing was created yet: the CDK goes on from there.
  if (status === 'REVIEW_IN_PROGRESS')
    return fine(subjectOf(name), 'is new: an earlier deployment ended before it began');
  if (status.endsWith('_IN_PROGRESS'))
    return failure(
      subjectOf(name),
      `is ${status}: another deployment is at work`,
      'wait until it ends, and try again',
    );
  return status.startsWith('ROLLBACK_')
    ? failedCreationFinding(stack)
    : fine(subjectOf(name), `is ${status}`);
}

/** The CDK deletes what is left of a creation that failed, and creates it again. What is protected it cannot delete. */
function failedCreationFinding({ name, status, isProtected, reason }: DeployedStack): Finding {
  const was = `is ${status}: its creation failed${reason === '' ? '' : ` ("${reason}")`}`;
  if (!isProtected)
    return warning(
      subjectOf(name),
      `${was}. A deployment deletes what is left of it first`,
      'correct the reason, and deploy again',
    );
  return failure(
    subjectOf(name),
    `${was}, and it is protected, so that no deployment can create it again`,
    `aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name ${name}`,
  );
}

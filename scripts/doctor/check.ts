/**
 * A check, and its input: the identity, the assembly to deploy, and the deployed stacks.
 * @module
 */
import { type Assembly, resourcesOf, type StackTemplate } from './assembly.ts';
import type { DeployedStack } from './deployed.ts';
import type { Finding } from './finding.ts';
import type { Identity } from './identity.ts';

export interface CheckInput {
  readonly identity: Identity;
  readonly assembly: Assembly;
  readonly deployed: readonly DeployedStack[];
}

/** Checks one subject. It only reads, and throws what AWS throws. */
export type Check = (input: CheckInput) => Promise<readonly Finding[]>;

export const DISTRIBUTION = 'AWS::CloudFront::Distribution';

export const has = (stacks: readonly StackTemplate[], type: string): boolean =>
  resourcesOf(stacks, type).length > 0;

/**
 * What the checks look at: who deploys, where, what would be deployed, and what is there.
 * @module
 */
import { type Assembly, resourcesOf, type StackTemplate } from './assembly.ts';
import type { DeployedStack } from './deployed.ts';
import type { Finding } from './finding.ts';
import type { Who } from './who.ts';

export interface Situation {
  readonly who: Who;
  readonly assembly: Assembly;
  readonly deployed: readonly DeployedStack[];
}

/** Looks at one thing. It only reads, and throws what AWS throws. */
export type Check = (situation: Situation) => Promise<readonly Finding[]>;

export const DISTRIBUTION = 'AWS::CloudFront::Distribution';

export const has = (stacks: readonly StackTemplate[], type: string): boolean =>
  resourcesOf(stacks, type).length > 0;

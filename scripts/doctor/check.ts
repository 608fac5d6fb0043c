/**
 * A check, its input (the identity, the assembly to deploy, the deployed stacks), and its findings.
 * @module
 */
import { type Assembly, resourcesOf, type StackTemplate } from './assembly.ts';
import type { DeployedStack } from './deployed.ts';
import type { Identity } from './identity.ts';

/** The input of all checks. */
export interface CheckInput {
  /** The account and the Region. */
  readonly identity: Identity;
  /** The templates to deploy. */
  readonly assembly: Assembly;
  /** The stacks that are deployed already. */
  readonly deployed: readonly DeployedStack[];
}

/** Checks one subject. A check only reads. It throws the errors of AWS. */
export type Check = (input: CheckInput) => Promise<readonly Finding[]>;

/** The CloudFormation type of the front door. */
export const DISTRIBUTION = 'AWS::CloudFront::Distribution';

/** True if a stack has a resource of the type. */
export const has = (stacks: readonly StackTemplate[], type: string): boolean =>
  resourcesOf(stacks, type).length > 0;

/** The result of a check. */
export interface Finding {
  /** `warning`: something may surprise. `failure`: the deployment would fail. */
  readonly level: 'fine' | 'warning' | 'failure';
  /** The subject of the check, in two or three words. */
  readonly subject: string;
  /** The finding, in words. A warning or a failure also says what will happen. */
  readonly text: string;
  /** The command or option that fixes it. */
  readonly fix?: string;
}

/** Nothing to do. */
export const fine = (subject: string, text: string): Finding => ({ level: 'fine', subject, text });

/** The deployment succeeds, but something may surprise the operator. */
export const warning = (subject: string, text: string, fix: string): Finding => ({
  level: 'warning',
  subject,
  text,
  fix,
});

/** The deployment would fail, or data would be left behind. */
export const failure = (subject: string, text: string, fix: string): Finding => ({
  level: 'failure',
  subject,
  text,
  fix,
});

/** Formats a number with separators: `10,000`. */
export const count = (number: number): string => number.toLocaleString('en');

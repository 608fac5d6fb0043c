/**
 * Services that the Region does not have.
 * @module
 */
import { regionProblems } from '../../../lib/config/regions.ts';
import { type Check, DISTRIBUTION, type Finding, failure, fine, has } from '../check.ts';

const SUBJECT = 'Region';

/** Looks for services that the template needs and the Region does not have. */
export const checkRegion: Check = async ({ identity, assembly: { stacks } }) => {
  const needs = {
    edge: has(stacks, DISTRIBUTION),
    monthlyBudget: has(stacks, 'AWS::Budgets::Budget') ? 1 : 0,
  };
  const problems = regionProblems(needs, identity.region);
  if (problems.length === 0)
    return [fine(SUBJECT, `the template needs no service that is missing in ${identity.region}`)];
  return problems.map(problemFinding);
};

/** Returns a finding for a problem that the template reports. The text of the problem ends with the fix. */
export function problemFinding(problem: string): Finding {
  const [, text = problem, fix = 'correct that option, and try again'] =
    /^([\s\S]*?)\.? (Set AWS_REGION [\s\S]*)$/.exec(problem) ?? [];
  const region = /^Region (.*)$/s.exec(text)?.[1];
  return failure(region === undefined ? 'template' : SUBJECT, region ?? text, fix);
}

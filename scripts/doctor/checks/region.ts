/**
 * What the Region lacks.
 * @module
 */
import { regionProblems } from '../../../lib/regions.ts';
import { type Finding, failure, fine } from '../finding.ts';
import { type Check, DISTRIBUTION, has } from '../situation.ts';

const ABOUT = 'Region';

export const checkRegion: Check = async ({ who, assembly: { stacks } }) => {
  const needs = {
    edge: has(stacks, DISTRIBUTION),
    monthlyBudget: has(stacks, 'AWS::Budgets::Budget') ? 1 : 0,
  };
  const problems = regionProblems(needs, who.region);
  if (problems.length === 0)
    return [fine(ABOUT, `nothing that the template needs is missing in ${who.region}`)];
  return problems.map(problemFinding);
};

/** A problem in the words of the template, which says the cure last. */
export function problemFinding(problem: string): Finding {
  const [, says = problem, cure = 'correct that option, and try again'] =
    /^([\s\S]*?)\.? (Set AWS_REGION [\s\S]*)$/.exec(problem) ?? [];
  const region = /^Region (.*)$/s.exec(says)?.[1];
  return failure(region === undefined ? 'template' : ABOUT, region ?? says, cure);
}

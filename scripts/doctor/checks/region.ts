/**
 * What the Region lacks.
 * @module
 */
import { regionProblems } from '../../../lib/regions.ts';
import { failure, fine } from '../finding.ts';
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
  return problems.map((problem) => {
    const [, says = problem, cure = ''] = /^([\s\S]*?\.) (Set AWS_REGION [\s\S]*)$/.exec(problem) ?? [];
    return failure(ABOUT, says, cure);
  });
};

/**
 * The messages about services that a Region does not have end with what to do.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { lacks, regionProblems, regionsWithout } from '../../../lib/config/regions.ts';

const EVERYTHING = { edge: true, monthlyBudget: 50 };
const LEAST = { edge: false, monthlyBudget: 0 };

describe('a Region', () => {
  test.each([
    ['us-east-1', EVERYTHING],
    ['eu-west-1', EVERYTHING],
    ['cn-north-1', LEAST],
    ['eu-north-1', { edge: true, monthlyBudget: 0 }],
    // A new Region may have everything.
    ['eu-north-9', EVERYTHING],
  ])('is accepted if nothing is missing: %s with %j', (region, config) => {
    expect(regionProblems(config, region)).toEqual([]);
  });

  test.each([
    ['ca-west-1', LEAST, [['AWS::Lambda::Url', 'eu-central-2', 'another Region']]],
    ['cn-north-1', { edge: true, monthlyBudget: 0 }, [['AWS::CloudFront::Function', 'tidings:edge=false']]],
    ['eu-north-1', EVERYTHING, [['AWS::Budgets::Budget', 'tidings:monthlyBudget=0']]],
    ['us-gov-west-1', EVERYTHING, [['AWS::Lambda::Url'], ['tidings:edge=false'], ['AWS::Budgets::Budget']]],
  ])('is refused for each service that is missing: %s with %j', (region, config, problems) => {
    const sentences = regionProblems(config, region);
    expect(sentences).toHaveLength(problems.length);
    problems.forEach((words, index) => {
      for (const word of [region, ...words]) expect(sentences[index]).toContain(word);
    });
  });

  test('is named once in each list', () => {
    for (const service of ['functionUrls', 'edge', 'budgets'] as const) {
      const regions = regionsWithout(service);
      expect(new Set(regions).size).toBe(regions.length);
      for (const region of regions) expect(lacks(service, region)).toBe(true);
      expect(lacks(service, 'us-east-1')).toBe(false);
    }
  });
});

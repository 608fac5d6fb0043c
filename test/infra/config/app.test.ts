/**
 * The app as the CDK CLI runs it: in a process of its own, with the Region in the environment.
 * @module
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../../..');

let outdir: string;
beforeAll(() => {
  outdir = mkdtempSync(join(tmpdir(), 'tidings-app-'));
});
afterAll(() => rmSync(outdir, { recursive: true, force: true }));

function run(regions: Readonly<Record<string, string>>, context: Readonly<Record<string, unknown>> = {}) {
  const { PATH } = process.env;
  const { status, stderr } = spawnSync(process.execPath, ['bin/tidings.ts'], {
    cwd: ROOT,
    encoding: 'utf8',
    env: {
      PATH,
      CDK_OUTDIR: outdir,
      CDK_CONTEXT_JSON: JSON.stringify({ 'aws:cdk:bundling-stacks': [], ...context }),
      ...regions,
    },
  });
  return { status, stderr };
}

describe('a Region that lacks a service', () => {
  test.each([
    [
      'CDK_DEFAULT_REGION',
      { CDK_DEFAULT_REGION: 'ca-west-1', AWS_REGION: 'us-east-1' },
      {},
      ['AWS::Lambda::Url'],
    ],
    ['AWS_REGION', { AWS_REGION: 'il-central-1' }, {}, ['AWS::Lambda::Url']],
    ['AWS_DEFAULT_REGION', { AWS_DEFAULT_REGION: 'cn-north-1' }, {}, ['-c tidings:edge=false']],
    [
      'all that is missing',
      { CDK_DEFAULT_REGION: 'us-gov-west-1' },
      { 'tidings:monthlyBudget': 5, 'tidings:budgetEmail': 'a@example.com' },
      ['AWS::Lambda::Url', 'AWS::CloudFront::Function', 'AWS::Budgets::Budget'],
    ],
  ])('is refused before anything is built, without a stack trace: %s', (_name, regions, context, words) => {
    const { status, stderr } = run(regions, context);
    expect(status).toBe(1);
    const sentences = stderr.trim().split('\n');
    expect(sentences).toHaveLength(words.length);
    expect(sentences[0]).toMatch(/^tidings: Region [a-z]+(-gov)?-[a-z]+-\d has no /);
    for (const [index, word] of words.entries()) expect(sentences[index]).toContain(word);
    expect(readdirSync(outdir)).toEqual([]);
  });
});

test('a wrong option is refused in the same way', () => {
  const { status, stderr } = run({}, { 'tidings:stage': 'Prod' });
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: expect.stringMatching(/^tidings: context key .*\n$/),
  });
});

test('stacks are independent of the Region in the environment', () => {
  expect(run({ CDK_DEFAULT_REGION: 'cn-north-1' }, { 'tidings:edge': false })).toEqual({
    status: 0,
    stderr: '',
  });
  const { artifacts } = JSON.parse(readFileSync(join(outdir, 'manifest.json'), 'utf8'));
  const of = ['tidings-dev-log', 'tidings-dev-hub'].map((stack) => artifacts[stack].environment);
  expect(of).toEqual(Array(2).fill('aws://unknown-account/unknown-region'));
});

/**
 * A hub without a hook has nothing of it. With one, its three functions that publish for callers may invoke exactly the functions of
 * the hook, and know them.
 * @module
 */
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { beforeEach, describe, expect, test } from 'vitest';
import { hooksEnv } from '../../../lambda/env.ts';
import { parseConfig } from '../../../lib/config/config.ts';
import { Tidings, type TidingsProps } from '../../../lib/tidings.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { UNBUNDLED } from './synthesized.ts';

let stack: Stack;
let handler: lambda.Function;
beforeEach(() => {
  stack = new Stack(new App({ context: UNBUNDLED, analyticsReporting: false }), 'Stack');
  handler = new lambda.Function(stack, 'Moderate', {
    runtime: lambda.Runtime.NODEJS_24_X,
    handler: 'index.handler',
    code: lambda.Code.fromInline('exports.handler = async ({ messages }) => ({ messages });'),
  });
});

/** Returns the parts of the functions of a hub that have to do with a hook, by the id of the function. */
function hooksOf(template: Template): Record<string, unknown> {
  const functions = Object.entries(template.findResources('AWS::Lambda::Function')).map(
    ([id, { Properties }]) => [nameOf(id), fieldsOf(Properties.Environment?.Variables).HOOKS],
  );
  return Object.fromEntries(functions.filter(([, hooks]) => hooks !== undefined));
}
const nameOf = (id: string): string => id.replace(/^Hub/, '').replace(/Handler.*/, '');

/** Returns the statements with which roles may invoke functions, by the id of the role. */
function grantsOf(template: Template): Record<string, unknown> {
  const policies = Object.entries(template.findResources('AWS::IAM::Policy')).flatMap(
    ([id, { Properties }]) => {
      const statements: readonly unknown[] = Properties.PolicyDocument.Statement;
      return statements
        .filter((one) => JSON.stringify(one).includes('"lambda:'))
        .map((one) => [nameOf(id), one] as const);
    },
  );
  return Object.fromEntries(policies);
}

const ALL: TidingsProps = { intake: true, presence: ['chat/*'] };

test('without a hook no function may invoke another, or knows one', () => {
  new Tidings(stack, 'Hub', ALL);
  const template = Template.fromStack(stack);
  expect(grantsOf(template)).toEqual({});
  expect(hooksOf(template)).toEqual({});
});

describe('with hooks', () => {
  test('the functions that publish for callers may invoke exactly these, and no others may', () => {
    new Tidings(stack, 'Hub', {
      ...ALL,
      onPublish: [
        { pattern: 'chat/*', handler, timeoutMs: 250 },
        { pattern: '*', handler },
      ],
    });
    const template = Template.fromStack(stack);
    const arn = {
      'Fn::GetAtt': [stack.getLogicalId(handler.node.defaultChild as lambda.CfnFunction), 'Arn'],
    };
    const statement = { Action: 'lambda:InvokeFunction', Effect: 'Allow', Resource: arn };
    expect(grantsOf(template)).toEqual({ Publish: statement, Socket: statement, Intake: statement });
    const variable = { 'Fn::Join': ['', ['[["chat/*","', arn, '",250],["*","', arn, '",1000]]']] };
    expect(hooksOf(template)).toEqual({ Publish: variable, Socket: variable, Intake: variable });
  });

  test('a handler that publishes by the intake of the same hub makes no circle', () => {
    const hub = new Tidings(stack, 'Hub', { intake: true, onPublish: [{ pattern: 'chat/*', handler }] });
    hub.grantPublish(handler);
    expect(() => Template.fromStack(stack)).not.toThrow();
  });

  test('the function reads what the template writes, and refuses anything else', () => {
    const HOOKS = '[["chat/*","arn:aws:lambda:eu-west-1:123456789012:function:Moderate",1000]]';
    expect(hooksEnv.read({ HOOKS }).HOOKS).toEqual(JSON.parse(HOOKS));
    expect(hooksEnv.readIfSet({})).toBeUndefined();
    for (const other of ['{}', '[1]', '[["a","b"]]', '[["a","b","1"]]'])
      expect(() => hooksEnv.read({ HOOKS: other })).toThrow(
        'it must be a JSON list of [pattern, ARN, milliseconds]',
      );
  });
});

describe('onPublish', () => {
  const add = (onPublish: unknown): unknown => Reflect.construct(Tidings, [stack, 'Hub', { onPublish }]);
  function problemOf(value: unknown): string {
    try {
      add(value);
      return 'none';
    } catch (error) {
      return String(error);
    }
  }
  const hook = (more: object = {}) => ({ pattern: 'chat/*', handler, ...more });

  test.each<[string, () => unknown, string]>([
    ['no list', hook, 'it must be a list of at most 5 hooks'],
    ['six hooks', () => Array.from({ length: 6 }, (_, n) => hook({ pattern: `c${n}` })), 'at most 5 hooks'],
    [
      'another member',
      () => [hook({ timeout: 5 })],
      'a hook has the members pattern, handler, timeoutMs, got timeout',
    ],
    ['a bad pattern', () => [hook({ pattern: 'chat*' })], 'its pattern must be the name of a channel'],
    ['no pattern', () => [{ handler }], 'its pattern must be the name of a channel'],
    [
      'an ARN',
      () => [hook({ handler: 'arn:aws:lambda:eu-west-1:123456789012:function:f' })],
      'its handler must be a function of Lambda',
    ],
    ['another construct', () => [hook({ handler: stack })], 'its handler must be a function of Lambda'],
    [
      'a short time',
      () => [hook({ timeoutMs: 99 })],
      'its timeoutMs must be a whole number from 100 to 3000',
    ],
    [
      'a long time',
      () => [hook({ timeoutMs: 3_001 })],
      'its timeoutMs must be a whole number from 100 to 3000',
    ],
    ['half a millisecond', () => [hook({ timeoutMs: 100.5 })], 'its timeoutMs must be a whole number'],
    [
      'the same pattern twice',
      () => [hook(), hook()],
      '"chat/*" never counts, because "chat/*" comes before it',
    ],
    [
      'a wider pattern first',
      () => [hook({ pattern: '*' }), hook()],
      '"chat/*" never counts, because "*" comes before it: change their order',
    ],
    ['a prefix first', () => [hook(), hook({ pattern: 'chat/eu/*' })], '"chat/eu/*" never counts'],
  ])('is refused in a sentence: %s', (_name, value, sentence) => {
    const problem = problemOf(value());
    expect(problem).toMatch(/^Error: prop "onPublish" is /);
    expect(problem).toContain(sentence);
  });

  test('may have a name beside a prefix, and five hooks', () => {
    const patterns = ['chat', 'chat/eu/*', 'chat/*', 'news/a', '*'];
    expect(() => add(patterns.map((pattern) => hook({ pattern })))).not.toThrow();
  });

  test('counts in the room that the environment of a function has', () => {
    const anonymous = Object.fromEntries(
      Array.from({ length: 60 }, (_, n) => [`public/channel-${n}/*`, ['subscribe']]),
    );
    const onPublish = ['a', 'b', 'c', 'd', 'e'].map((pattern) => hook({ pattern }));
    expect(() => Reflect.construct(Tidings, [stack, 'Hub', { anonymous, onPublish }])).toThrow(
      / of onPublish/,
    );
    expect(() => Reflect.construct(Tidings, [stack, 'Fits', { anonymous }])).not.toThrow();
  });

  test('is no context key', () => {
    expect(() => parseConfig({ 'tidings:onPublish': '[]' })).toThrow(
      'unknown context key "tidings:onPublish"',
    );
  });
});

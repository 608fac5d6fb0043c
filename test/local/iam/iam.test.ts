import { describe, expect, it } from 'vitest';
import { decide as decideBy, parsePolicy } from '../../../local/iam/iam.ts';
import { matchesArn } from '../../../local/iam/iam-match.ts';

const table = 'arn:aws:dynamodb:us-east-1:000000000000:table/Things';
const allow = (rest: object) => ({ Effect: 'Allow', Action: 'dynamodb:PutItem', Resource: table, ...rest });
const deny = (rest: object) => allow({ Effect: 'Deny', ...rest });

function decide(statements: object[], context = {}, action = 'dynamodb:PutItem', resource = table) {
  const requester = { kind: 'role', role: 'arn:aws:iam::000000000000:role/r', session: '' } as const;
  const question = { requester, action, resource, context };
  const decision = decideBy(parsePolicy({ Statement: statements }, 'test'), [], question);
  if (decision.allowed) return 'allow';
  return decision.explicitDeny ? 'deny' : 'none';
}

describe('actions and resources', () => {
  it.each([
    ['nothing granted', [], 'none'],
    ['the same action and resource', [allow({})], 'allow'],
    ['another action', [allow({ Action: 'dynamodb:GetItem' })], 'none'],
    ['action names are not case sensitive', [allow({ Action: 'DynamoDB:putitem' })], 'allow'],
    ['a wildcard in the action', [allow({ Action: 'dynamodb:Put*' })], 'allow'],
    ['one character in the action', [allow({ Action: 'dynamodb:Pu?Item' })], 'allow'],
    ['a list of actions', [allow({ Action: ['dynamodb:GetItem', 'dynamodb:PutItem'] })], 'allow'],
    ['any resource', [allow({ Resource: '*' })], 'allow'],
    ['the index is another resource', [allow({ Resource: `${table}/index/*` })], 'none'],
    ['a wildcard over the name', [allow({ Resource: `${table}*` })], 'allow'],
    ['a wildcard does not match a colon', [allow({ Resource: 'arn:aws:dynamodb:*:table/Things' })], 'none'],
    ['a wildcard for the account', [allow({ Resource: table.replace('000000000000', '*') })], 'allow'],
    [
      'NotAction of another action',
      [{ Effect: 'Allow', NotAction: 'dynamodb:GetItem', Resource: '*' }],
      'allow',
    ],
    ['NotAction of this action', [{ Effect: 'Allow', NotAction: 'dynamodb:Put*', Resource: '*' }], 'none'],
    ['NotResource of another table', [{ Effect: 'Allow', Action: '*', NotResource: `${table}2` }], 'allow'],
    ['NotResource of this table', [{ Effect: 'Allow', Action: '*', NotResource: table }], 'none'],
    ['a Deny wins over an Allow, in any order', [allow({}), deny({ Action: '*' })], 'deny'],
    ['a Deny of another resource', [deny({ Resource: `${table}2` }), allow({})], 'allow'],
  ])('%s', (_, statements, expected) => {
    expect(decide(statements)).toBe(expected);
  });
});

describe('conditions', () => {
  it.each([
    ['StringEquals', { StringEquals: { k: ['a', 'b'] } }, { k: ['b'] }, 'allow'],
    ['StringEquals, other value', { StringEquals: { k: 'a' } }, { k: ['b'] }, 'none'],
    ['StringEquals, absent key', { StringEquals: { k: 'a' } }, {}, 'none'],
    [
      'condition keys are not case sensitive',
      { StringEquals: { 'aws:K': 'a' } },
      { 'AWS:k': ['a'] },
      'allow',
    ],
    ['StringNotEquals, absent key', { StringNotEquals: { k: 'a' } }, {}, 'allow'],
    ['StringNotEquals, one of the values', { StringNotEquals: { k: ['a', 'b'] } }, { k: ['b'] }, 'none'],
    ['StringEqualsIfExists, absent key', { StringEqualsIfExists: { k: 'a' } }, {}, 'allow'],
    ['StringEqualsIfExists, other value', { StringEqualsIfExists: { k: 'a' } }, { k: ['b'] }, 'none'],
    ['StringLike', { StringLike: { k: 'room/*' } }, { k: ['room/1'] }, 'allow'],
    ['StringNotLike', { StringNotLike: { k: 'room/*' } }, { k: ['room/1'] }, 'none'],
    ['Bool', { Bool: { k: true } }, { k: ['true'] }, 'allow'],
    ['Bool, the other', { Bool: { k: 'false' } }, { k: ['true'] }, 'none'],
    ['NumericLessThan', { NumericLessThan: { k: 10 } }, { k: ['9'] }, 'allow'],
    ['NumericLessThan, equal', { NumericLessThan: { k: 10 } }, { k: ['10'] }, 'none'],
    [
      'DateGreaterThan',
      { DateGreaterThan: { k: '2026-01-01T00:00:00Z' } },
      { k: ['2026-06-01T00:00:00Z'] },
      'allow',
    ],
    ['ArnLike', { ArnLike: { k: 'arn:aws:sns:*:*:t*' } }, { k: ['arn:aws:sns:us-east-1:0:topic'] }, 'allow'],
    ['Null, absent key', { Null: { k: 'true' } }, {}, 'allow'],
    ['Null, present key', { Null: { k: 'true' } }, { k: ['a'] }, 'none'],
    ['ForAllValues, all', { 'ForAllValues:StringEquals': { k: ['a', 'b'] } }, { k: ['a', 'b'] }, 'allow'],
    ['ForAllValues, not all', { 'ForAllValues:StringEquals': { k: ['a'] } }, { k: ['a', 'b'] }, 'none'],
    ['ForAllValues, absent key', { 'ForAllValues:StringEquals': { k: ['a'] } }, {}, 'allow'],
    ['ForAnyValue, one', { 'ForAnyValue:StringEquals': { k: ['a'] } }, { k: ['a', 'b'] }, 'allow'],
    ['ForAnyValue, absent key', { 'ForAnyValue:StringEquals': { k: ['a'] } }, {}, 'none'],
    ['two keys, one fails', { StringEquals: { k: 'a', l: 'b' } }, { k: ['a'], l: ['c'] }, 'none'],
    [
      'two operators, both hold',
      { StringEquals: { k: 'a' }, Bool: { l: 'true' } },
      { k: ['a'], l: ['true'] },
      'allow',
    ],
  ])('%s', (_, Condition, context, expected) => {
    expect(decide([allow({ Condition })], context)).toBe(expected);
  });

  it('ignores a Deny whose condition is not met', () => {
    const insecure = deny({ Condition: { Bool: { 'aws:SecureTransport': 'false' } } });
    expect(decide([allow({}), insecure], { 'aws:SecureTransport': ['true'] })).toBe('allow');
  });
});

describe('a policy', () => {
  it.each([
    [
      'an operator',
      allow({ Condition: { IpAddress: { k: '10.0.0.0/8' } } }),
      'the condition operator IpAddress',
    ],
    ['a variable', allow({ Resource: 'arn:aws:s3:::b/${aws:username}' }), 'the variable arn:aws:s3:::b/'],
    ['an element', allow({ NotPrincipal: '*' }), 'the element NotPrincipal'],
    ['a principal', allow({ Principal: '*' }), 'a Principal, which only the policy of a resource has'],
    ['an effect', allow({ Effect: 'Maybe' }), 'the effect "Maybe"'],
  ])('refuses %s', (_, statement, sentence) => {
    expect(() => parsePolicy({ Statement: statement }, 'test')).toThrow(sentence);
  });
});

it('compares ARNs part by part', () => {
  expect(matchesArn('arn:aws:sqs:us-*:*:q', 'arn:aws:sqs:us-east-1:000000000000:q')).toBe(true);
  expect(matchesArn('arn:aws:sqs:*:q', 'arn:aws:sqs:us-east-1:000000000000:q')).toBe(false);
  expect(
    matchesArn('arn:aws:logs:*:*:log-group:g:*', 'arn:aws:logs:us-east-1:0:log-group:g:log-stream:s'),
  ).toBe(true);
});

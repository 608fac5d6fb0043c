/**
 * The options of the identity provider: what the functions get, and which values are refused.
 * @module
 */
import { Match } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
import { parseConfig } from '../../../lib/config/config.ts';
import { templatesOf } from '../template/synthesized.ts';

const ISSUER = {
  'tidings:issuer': 'https://idp.example/',
  'tidings:issuerAudience': 'hub',
  'tidings:claims': '{"claim":"scope","grants":{"reader":{"*":["subscribe"]}}}',
};

test('reaches every function that checks tokens', () => {
  const { hub } = templatesOf(ISSUER);
  const has = (ISSUER: unknown) =>
    hub.findResources('AWS::Lambda::Function', { Properties: { Environment: { Variables: { ISSUER } } } });
  const configured = has(
    JSON.stringify({
      url: 'https://idp.example/',
      audience: 'hub',
      claims: { claim: 'scope', grants: { reader: { '*': ['subscribe'] } } },
      jwksUrl: 'https://idp.example/.well-known/jwks.json',
    }),
  );
  const checking = hub.findResources('AWS::Lambda::Function', {
    Properties: { Environment: { Variables: { ANONYMOUS: Match.anyValue() } } },
  });
  expect(Object.keys(configured)).toHaveLength(6);
  expect(Object.keys(configured)).toEqual(Object.keys(checking));
});

test('is configured completely or not at all', () => {
  expect(parseConfig({}).issuer).toBeUndefined();
  expect(parseConfig({ 'tidings:issuer': '', 'tidings:claims': '' }).issuer).toBeUndefined();
  for (const key of Object.keys(ISSUER))
    expect(() => parseConfig({ ...ISSUER, [key]: '' })).toThrow(`"${key}" is missing: it must be`);
  expect(() => parseConfig({ 'tidings:jwksUrl': 'https://idp.example/keys' })).toThrow(
    'context key "tidings:issuer" is missing',
  );
});

test('may have its keys on another host, and be on this machine', () => {
  const context = { 'tidings:issuer': 'http://localhost:1', 'tidings:jwksUrl': 'https://keys.example/a?p=b' };
  expect(parseConfig({ ...ISSUER, ...context }).issuer).toMatchObject({
    url: 'http://localhost:1',
    jwksUrl: 'https://keys.example/a?p=b',
  });
});

test.each([
  ['tidings:issuer', 'http://idp.example', 'an https URL'],
  ['tidings:issuer', 'idp.example', 'an https URL'],
  ['tidings:issuer', 7, 'an https URL'],
  ['tidings:issuer', 'https://user@idp.example', 'without user name'],
  ['tidings:issuer', 'https://idp.example#a', 'fragment'],
  ['tidings:issuer', 'https://idp.example?a', 'without a query'],
  ['tidings:issuer', 'http://127.0.0.1.idp.example', 'an https URL'],
  ['tidings:issuerAudience', 7, 'a text'],
  ['tidings:jwksUrl', 'file:///etc/keys', 'an https URL'],
  ['tidings:jwksUrl', 'http://169.254.169.254/keys', 'an https URL'],
  ['tidings:claims', '{"claim":', 'JSON'],
  ['tidings:claims', 'scope', 'JSON'],
  ['tidings:claims', [], '"claim" must be the name of a claim'],
  ['tidings:claims', '{"grants":{}}', '"claim" must be the name of a claim'],
  ['tidings:claims', '{"claim":"a","grants":[]}', '"grants" must be a JSON object'],
  ['tidings:claims', '{"claim":"a","grants":{},"tenants":"b"}', 'the members are claim, grants, tenant'],
  ['tidings:claims', '{"claim":"a","grants":{},"tenant":7}', '"tenant" must be the name of a claim'],
  ['tidings:claims', '{"claim":"a","grants":{"x":{"a*":["publish"]}}}', '"a*" is not a channel name'],
  ['tidings:claims', '{"claim":"a","grants":{"x":{"a":["read"]}}}', 'publish, subscribe, webhook, manage'],
  [
    'tidings:claims',
    '{"claim":"a","tenant":"t","grants":{"x":{"1/2/3/4/5/6/7/8":["publish"]}}}',
    'leaves no room for the tenant',
  ],
])('%s = %j is refused with a sentence that names it', (key, value, allowed) => {
  const parse = () => parseConfig({ ...ISSUER, [key]: value });
  expect(parse).toThrow(`context key "${key}" is ${JSON.stringify(value)}: `);
  expect(parse).toThrow(allowed);
});

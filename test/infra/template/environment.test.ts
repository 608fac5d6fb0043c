/**
 * Lambda allows 4 KB of environment for a function. Names of resources are known only after deployment, so here they have
 * their maximum length.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { handlerContracts } from '../../../lambda/env.ts';
import { MAX_TEXT_BYTES, parseConfig } from '../../../lib/config/config.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { type Context, templatesOf } from './synthesized.ts';

/** https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const MAX_ENVIRONMENT_BYTES = 4_096;

/** The longest name of a partition, a Region and a suffix. */
const PARTITION = 'aws-us-gov';
const REGION = 'us-isof-south-1';
const SUFFIX = 'amazonaws.com.cn';
const ACCOUNT = '000000000000';

/** CloudFormation appends such a text to names that it generates. */
const RANDOM = 'ABCDEFGHIJKLM';
const MAX_QUEUE_NAME = 80;

/** The secret of the front door (lib/gateways/door.ts). */
const SECRET_LENGTH = 64;

const LONGEST_STAGE = 'a-stage-of-20-letter';

/** Returns texts of the maximum length together. Most of them are JSON, which is escaped once more. */
function longestTexts(): Context {
  const patterns = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`public/${n}/*`, ['subscribe']]));
  const origins = Array.from({ length: 12 }, (_, n) => `https://customer-${n}.example.com`);
  const context = {
    'tidings:anonymous': patterns(10),
    'tidings:issuer': 'https://idp.example',
    'tidings:issuerAudience': 'hub',
    'tidings:origins': origins,
    // With it, functions have one more secret.
    'tidings:webAcl':
      'arn:aws:wafv2:us-east-1:123456789012:global/webacl/team/11111111-2222-3333-4444-555555555555',
  };
  const claims = (padding: number) => ({ claim: 'a'.repeat(padding), grants: { reader: patterns(10) } });
  const fits = (padding: number): boolean => {
    try {
      parseConfig({ ...context, 'tidings:claims': claims(padding) });
      return true;
    } catch {
      return false;
    }
  };
  let padding = 1;
  while (fits(padding + 1)) padding++;
  return { ...context, 'tidings:claims': claims(padding) };
}

const LARGEST: Context = {
  'tidings:stage': LONGEST_STAGE,
  'tidings:channelCreation': 'explicit',
  'tidings:retentionDays': 365,
  'tidings:streamSeconds': 840,
  'tidings:postsInFlight': 900,
  'tidings:postsPerSecond': 100_000,
  'tidings:connectionsPerCaller': 3_600_000,
  'tidings:heldPerCaller': 10_000,
  'tidings:allowInsecureWebhooks': true,
  'tidings:console': true,
};

/** The smallest numbers, and as many held requests as one caller may have: callers are then not counted. */
const SMALLEST: Context = {
  'tidings:console': true,
  // Then the console has two URLs in its environment.
  'tidings:edge': false,
  'tidings:retentionDays': 1,
  'tidings:holdSeconds': 1,
  'tidings:streamSeconds': 1,
  'tidings:postsInFlight': 1,
  'tidings:postsPerSecond': 1,
  'tidings:connectionsPerCaller': 2,
  'tidings:heldPerCaller': 1,
  'tidings:maxHolds': 1,
  'tidings:maxStreams': 1,
};

/** Returns the longest possible value of an attribute or reference. */
function longest(id: string, type: string, attribute: string): string {
  const stack = `tidings-${LONGEST_STAGE}-hub`;
  const named = `${stack}-${id}-${RANDOM}`;
  if (type === 'AWS::DynamoDB::GlobalTable') return named;
  if (type === 'AWS::SecretsManager::Secret')
    return `arn:${PARTITION}:secretsmanager:${REGION}:${ACCOUNT}:secret:${id}-${RANDOM}-ABCDEF`;
  if (type === 'AWS::SQS::Queue')
    return `https://sqs.${REGION}.${SUFFIX}/${ACCOUNT}/${named.slice(0, MAX_QUEUE_NAME)}`;
  if (type === 'AWS::SNS::Topic') return `arn:${PARTITION}:sns:${REGION}:${ACCOUNT}:${named}`;
  if (type === 'AWS::Lambda::Url') return `https://${'a'.repeat(32)}.lambda-url.${REGION}.on.aws/`;
  if (attribute === 'ApiEndpoint') return `https://${'a'.repeat(10)}.execute-api.${REGION}.${SUFFIX}`;
  if (type === 'AWS::ApiGatewayV2::Api') return 'a'.repeat(10);
  if (type === 'AWS::CloudFront::Distribution') return `d${'a'.repeat(13)}.cloudfront.net`;
  throw new Error(`the maximum length of ${attribute} of ${type} is not known here`);
}

const PSEUDO: Readonly<Record<string, string>> = {
  'AWS::Region': REGION,
  'AWS::URLSuffix': SUFFIX,
  'AWS::Partition': PARTITION,
  'AWS::AccountId': ACCOUNT,
};

/** Evaluates the intrinsic functions in environments. */
function evaluate(value: unknown, typeOf: (id: string) => string): string {
  if (typeof value === 'string') return value;
  const list = (items: unknown): string[] =>
    Array.isArray(items) ? items.map((item) => evaluate(item, typeOf)) : splitOf(items);
  const splitOf = (items: unknown): string[] => {
    const [separator, text] = pairOf(fieldsOf(items)['Fn::Split']);
    return evaluate(text, typeOf).split(String(separator));
  };
  const fields = fieldsOf(value);
  const [name = ''] = Object.keys(fields);
  const argument = fields[name];
  if (name === 'Ref')
    return PSEUDO[String(argument)] ?? longest(String(argument), typeOf(String(argument)), 'Ref');
  if (name === 'Fn::GetAtt') {
    const [id, attribute] = pairOf(argument);
    return longest(String(id), typeOf(String(id)), String(attribute));
  }
  if (name === 'Fn::ImportValue') {
    // tidings-…-log:ExportsOutputRefLogChannels40D2B3AF8B0E3A49: the id of the resource comes before the last eight.
    const [, id = ''] =
      /:ExportsOutput(?:Ref|FnGetAtt)(\w+?)(?:Arn)?[0-9A-F]{8}$/.exec(String(argument)) ?? [];
    return longest(id, typeOf(id), 'Ref');
  }
  const [first, second] = pairOf(argument);
  if (name === 'Fn::Join') return list(second).join(String(first));
  if (name === 'Fn::Select') return list(second)[Number(first)] ?? '';
  throw new Error(`not evaluated here: ${JSON.stringify(value)}`);
}

const pairOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** Returns the environment of each function, as Lambda would have it. */
function environmentsOf(context: Context): Record<string, Record<string, string>> {
  const { log, hub } = templatesOf(context);
  const resources = { ...fieldsOf(log.toJSON().Resources), ...fieldsOf(hub.toJSON().Resources) };
  const typeOf = (id: string): string => String(fieldsOf(resources[id]).Type);
  const functions = Object.entries(hub.findResources('AWS::Lambda::Function'));
  return Object.fromEntries(
    functions.map(([id, { Properties }]) => {
      const variables = Object.entries(fieldsOf(fieldsOf(Properties?.Environment).Variables));
      // CloudFormation writes the value of the secret in place of the reference.
      const evaluated = variables.map(([name, value]) => [
        name,
        evaluate(value, typeOf).replace(/\{\{resolve:[^}]*\}\}/, 'x'.repeat(SECRET_LENGTH)),
      ]);
      return [id.replace(/Handler.*/, ''), Object.fromEntries(evaluated)];
    }),
  );
}

/** Returns the size of each environment as Lambda measures it: "String measured" in its error is JSON. */
const sizesOf = (context: Context): Record<string, number> =>
  Object.fromEntries(
    Object.entries(environmentsOf(context)).map(([name, environment]) => [
      name,
      Buffer.byteLength(JSON.stringify(environment)),
    ]),
  );

describe('the environment of every function', () => {
  test('fits the limit of Lambda with the longest values', () => {
    const sizes = sizesOf({ ...LARGEST, ...longestTexts() });
    expect(Object.keys(sizes)).toHaveLength(11);
    for (const [name, size] of Object.entries(sizes)) expect(size, name).toBeLessThan(MAX_ENVIRONMENT_BYTES);
    // Without the longest texts this test would show nothing.
    expect(Math.max(...Object.values(sizes))).toBeGreaterThan(MAX_TEXT_BYTES + 500);
  });

  test.each([
    ['largest', LARGEST],
    ['default', { 'tidings:console': true }],
    ['smallest', SMALLEST],
  ])('is one that the function accepts with the %s numbers', (_, context) => {
    const environments = environmentsOf(context);
    expect(Object.keys(environments).sort()).toEqual(Object.keys(handlerContracts).sort());
    for (const [name, environment] of Object.entries(environments))
      for (const contract of handlerContracts[name] ?? [])
        expect(() => contract.read(environment), name).not.toThrow();
  });

  test('is refused before the build if its texts are too long together, although each alone is valid', () => {
    const origins = Array.from({ length: 60 }, (_, n) => `https://customer-${n}.example.com`);
    const anonymous = Object.fromEntries(
      Array.from({ length: 40 }, (_, n) => [`public/channel-${n}/*`, ['subscribe', 'publish']]),
    );
    expect(() => parseConfig({ 'tidings:origins': origins })).not.toThrow();
    const sentence = new RegExp(
      `^context keys "tidings:anonymous", "tidings:claims", "tidings:origins", "tidings:presence" and "tidings:stamp" take (\\d+) bytes .*: ` +
        `(\\d+) of anonymous, 6 of issuer.*, (\\d+) of origins, 4 of presence, 4 of stamp. They must be ${MAX_TEXT_BYTES} at most together`,
    );
    expect(() => parseConfig({ 'tidings:origins': origins, 'tidings:anonymous': anonymous })).toThrow(
      sentence,
    );
  });
});

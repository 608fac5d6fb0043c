/**
 * Props that are wrong or contradict each other: each fails the synthesis with one sentence, also in JavaScript.
 * @module
 */
import { App, Stack } from 'aws-cdk-lib';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { beforeEach, describe, expect, test } from 'vitest';
import { parseConfig } from '../../../lib/config/config.ts';
import { Tidings, TidingsLog } from '../../../lib/tidings.ts';
import { UNBUNDLED } from '../template/synthesized.ts';

const CERTIFICATE = 'arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555';
const NAME = 'hub.example.com';

let stack: Stack;
beforeEach(() => {
  stack = new Stack(new App({ context: UNBUNDLED, analyticsReporting: false }), 'Stack');
});

/** Adds a hub as an app in JavaScript does: without types. */
const add = (props: object): unknown => Reflect.construct(Tidings, [stack, 'Hub', props]);

describe('a prop', () => {
  test.each<[object, string]>([
    [{ retention: 7 }, 'unknown prop "retention"; known are stage, '],
    [{ throwAway: true }, 'unknown prop "throwAway"'],
    [{ retentionDays: 0 }, 'prop "retentionDays" is 0: it must be a whole number from 1 to 365'],
    [{ stage: 'Shop' }, 'prop "stage" is "Shop": it must be 1 to 20 of a-z'],
    [{ stage: '' }, 'prop "stage" is ""'],
    [{ removalPolicy: 'snapshot' }, 'prop "removalPolicy" is "snapshot": it must be RemovalPolicy.RETAIN or'],
    [{ log: 'Log' }, 'prop "log" is "Log": it must be a TidingsLog'],
    [{ monthlyBudget: 5 }, 'prop "budgetEmail" is needed for "monthlyBudget"'],
    [{ issuer: 'https://idp.example' }, 'prop "issuerAudience" is missing'],
    [{ connectionsPerCaller: 1 }, 'prop "connectionsPerCaller" is 1: it must be at least 50'],
    [{ alarmTopic: 'pager' }, 'prop "alarmTopic" is "pager": it must be a topic of SNS, or its ARN'],
    [{ permissionsBoundary: 'boundary' }, 'it must be a managed policy, or its ARN'],
    [{ webAcl: 7 }, 'prop "webAcl" is 7: it must be an ARN'],
    [
      { webAcl: 'arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/a/1' },
      'it must be the ARN of a web ACL for CloudFront, in us-east-1',
    ],
    [
      { edge: false, webAcl: undefined, domain: { name: NAME, certificate: CERTIFICATE } },
      'prop "domain" has no effect while "edge" is false',
    ],
    [{ domain: NAME }, 'JSON'],
    [{ domain: { name: NAME } }, 'its certificate must be one of ACM'],
    [
      { domain: { name: NAME, certificate: CERTIFICATE, zone: 'Z1' } },
      'it must have the members name, certificate',
    ],
    [
      { domain: { name: 'Hub.example.com', certificate: CERTIFICATE } },
      'its name must be a host name in lower case',
    ],
    [
      { domain: { name: '*.example.com', certificate: CERTIFICATE } },
      'its name must be a host name in lower case',
    ],
    [
      { domain: { name: NAME, certificate: CERTIFICATE.replace('us-east-1', 'eu-west-1') } },
      'its certificate is in eu-west-1, and CloudFront takes only certificates in us-east-1: request one there',
    ],
    [
      { domain: { name: NAME, certificate: CERTIFICATE, hostedZone: {} } },
      'its hostedZone must be a zone of Route 53',
    ],
    [
      {
        domain: {
          name: NAME,
          certificate: CERTIFICATE,
          hostedZone: { hostedZoneId: 'Z1', zoneName: 'other.com' },
        },
      },
      'its name hub.example.com is not in its hostedZone other.com',
    ],
  ])('%j is refused', (props, sentence) => {
    expect(() => add(props)).toThrow(sentence);
  });

  test('that is undefined counts as left out', () => {
    expect(() => add({ domain: undefined, log: undefined, stage: undefined })).not.toThrow();
  });
});

test('a certificate of a stack in another Region is refused, and shown by its path', () => {
  const elsewhere = new Stack(stack.node.root as App, 'Elsewhere', {
    env: { account: '123456789012', region: 'eu-west-1' },
  });
  const certificate = new Certificate(elsewhere, 'Certificate', { domainName: NAME });
  expect(() => add({ domain: { name: NAME, certificate } })).toThrow(
    /^prop "domain" is .*"certificate":"Elsewhere\/Certificate".*: its certificate is in eu-west-1/,
  );
});

test('constructs are taken, and so is a zone that knows only its id', () => {
  const hub = new Tidings(stack, 'Hub', {
    alarmTopic: new Topic(stack, 'Topic'),
    domain: {
      name: NAME,
      certificate: new Certificate(stack, 'Certificate', { domainName: NAME }),
      hostedZone: HostedZone.fromHostedZoneId(stack, 'Zone', 'Z1'),
    },
  });
  expect(hub.url).toBe(`https://${NAME}`);
});

describe('several hubs', () => {
  test('need a stage each', () => {
    const first = new Tidings(stack, 'First');
    expect(() => new Tidings(stack, 'Second')).toThrow(
      `Stack/Second/Data has the stage "dev", and so has ${first.log.node.path}: each hub needs a stage of its own`,
    );
  });

  test('may have the same stage in two Regions', () => {
    for (const region of ['eu-west-1', 'us-east-1']) {
      const there = new Stack(stack, region, { env: { account: '123456789012', region } });
      expect(() => new Tidings(there, 'Hub')).not.toThrow();
    }
  });

  test('need a log each', () => {
    const log = new TidingsLog(stack, 'Log');
    new Tidings(stack, 'First', { log });
    expect(() => new Tidings(stack, 'Second', { log })).toThrow(
      'the log Stack/Log is that of Stack/First: Stack/Second needs another',
    );
  });

  test('take the stage and the removal policy from a log that is given', () => {
    const log = new TidingsLog(stack, 'Log', { stage: 'shop' });
    expect(() => new Tidings(stack, 'Hub', { log, stage: 'shop' })).toThrow(
      'prop "stage" is one of TidingsLog: the prop "log" already has it',
    );
  });
});

test('a Region without function URLs is refused, in the words of props', () => {
  const there = new Stack(stack, 'There', { env: { account: '123456789012', region: 'cn-north-1' } });
  expect(() => new Tidings(there, 'Hub')).toThrow(
    /^Region cn-north-1 has no AWS::CloudFront::Function.* or leave the front door out: edge: false\.$/,
  );
});

test('the template takes the same by context keys, and names them so', () => {
  const domain = JSON.stringify({ name: NAME, certificate: CERTIFICATE });
  expect(parseConfig({ 'tidings:domain': domain }).domain).toEqual({ name: NAME, certificate: CERTIFICATE });
  expect(() => parseConfig({ 'tidings:domain': domain, 'tidings:edge': 'false' })).toThrow(
    'context key "tidings:domain" has no effect while "tidings:edge" is false',
  );
  expect(() => parseConfig({ 'tidings:webAcl': 'x' })).toThrow(
    'context key "tidings:webAcl" is "x": it must be',
  );
});

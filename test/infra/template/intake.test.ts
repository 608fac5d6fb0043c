/**
 * A hub without an intake has nothing of it. A hub with one has one function and one FIFO queue more.
 * @module
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { EventField, Rule } from 'aws-cdk-lib/aws-events';
import { AccountPrincipal, Role } from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { beforeAll, describe, expect, test } from 'vitest';
import { intakeContracts } from '../../../lambda/env.ts';
import { Tidings } from '../../../lib/tidings.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { propertiesOf, strictHubOf, templatesOf, UNBUNDLED } from './synthesized.ts';

const INTAKE = { 'tidings:intake': true };

test('without the option the templates have nothing of an intake', () => {
  for (const template of Object.values(templatesOf()))
    expect(JSON.stringify(template.toJSON())).not.toMatch(/intake/i);
});

describe('with the option', () => {
  const { hub } = templatesOf(INTAKE);

  test('the template passes strict validation and AwsSolutions', () => {
    expect(strictHubOf(INTAKE).app.synth().stacks).toHaveLength(2);
  });

  test('the function has the environment of its contract and nothing else', () => {
    const [[, found] = []] = Object.entries(hub.findResources('AWS::Lambda::Function')).filter(([id]) =>
      id.startsWith('IntakeHandler'),
    );
    const names = (intakeContracts.Intake ?? []).flatMap((contract) => contract.names);
    expect(Object.keys(fieldsOf(found?.Properties?.Environment?.Variables)).sort()).toEqual(
      [...new Set(names)].sort(),
    );
  });

  test('the queue keeps the order of each group, and groups do not share a limit', () => {
    const queues = propertiesOf(hub, 'AWS::SQS::Queue').filter(({ FifoQueue }) => FifoQueue === true);
    const ordered = { DeduplicationScope: 'messageGroup', FifoThroughputLimit: 'perMessageGroupId' };
    expect(queues).toMatchObject([
      { ...ordered, ContentBasedDeduplication: true },
      { ...ordered, RedrivePolicy: { maxReceiveCount: 100 }, VisibilityTimeout: 20 },
    ]);
  });

  test('the queue and the function have alarms, and the runbook has their headings', () => {
    const runbook = readFileSync(resolve(import.meta.dirname, '../../../docs/runbook.md'), 'utf8');
    const nameOf = ({ AlarmName }: Record<string, unknown>): string => String(AlarmName);
    const plain = propertiesOf(templatesOf().hub, 'AWS::CloudWatch::Alarm').map(nameOf);
    const alarms = propertiesOf(hub, 'AWS::CloudWatch::Alarm').filter((one) => !plain.includes(nameOf(one)));
    expect(alarms.map(nameOf).sort()).toEqual([
      'tidings-dev-hub/Intake/Messages/HasDeadLetters',
      'tidings-dev-hub/Watch/IntakeFails',
      'tidings-dev-hub/Watch/IntakeWaits',
    ]);
    for (const { AlarmDescription } of alarms) {
      const [, heading = 'none'] = /docs\/runbook\.md[^"]*?"([^"]+)"/.exec(String(AlarmDescription)) ?? [];
      expect(runbook, String(AlarmDescription)).toContain(`\n## ${heading}\n`);
    }
  });
});

describe('a hub in an app', () => {
  const stack = new Stack(new App({ context: UNBUNDLED, analyticsReporting: false }), 'Stack');
  const hub = new Tidings(stack, 'Hub', { intake: true });
  const sender = new lambda.Function(stack, 'Sender', {
    runtime: lambda.Runtime.NODEJS_24_X,
    handler: 'index.handler',
    code: lambda.Code.fromInline('exports.handler = async () => {};'),
  });
  const role = new Role(stack, 'Role', { assumedBy: new AccountPrincipal('123456789012') });
  const target = hub.publishTarget({
    channel: 'orders/paid',
    message: { paid: EventField.fromPath('$.detail.id') },
  });
  new Rule(stack, 'Rule', { eventPattern: { source: ['shop'] }, targets: [target] });
  let template: Template;
  beforeAll(() => {
    hub.grantPublish(sender);
    hub.grantPublish(role);
    template = Template.fromStack(stack);
  });

  test('allows exactly sqs:SendMessage on the queue, and tells a function where queue and hub are', () => {
    const queue = stack.resolve(hub.intakeQueue.queueArn);
    for (const name of ['Sender', 'Role']) {
      const [policy] = Object.entries(template.findResources('AWS::IAM::Policy'))
        .filter(([id]) => id.startsWith(name))
        .map(([, { Properties }]) => Properties.PolicyDocument.Statement);
      expect(policy).toEqual([{ Action: 'sqs:SendMessage', Effect: 'Allow', Resource: queue }]);
    }
    const [[, found] = []] = Object.entries(template.findResources('AWS::Lambda::Function')).filter(([id]) =>
      id.startsWith('Sender'),
    );
    expect(found?.Properties.Environment.Variables).toEqual({
      TIDINGS_INTAKE_URL: stack.resolve(hub.intakeQueue.queueUrl),
      TIDINGS_URL: stack.resolve(hub.url),
    });
  });

  test('a rule publishes each event once, in the group of its channel, and only this rule may', () => {
    const [[id, rule] = []] = Object.entries(template.findResources('AWS::Events::Rule'));
    expect(rule?.Properties.Targets).toMatchObject([
      {
        InputTransformer: {
          InputPathsMap: { 'detail-id': '$.detail.id', id: '$.id' },
          InputTemplate: '{"channel":"orders/paid","messages":[{"paid":<detail-id>}],"key":<id>}',
        },
        SqsParameters: { MessageGroupId: 'orders/paid' },
      },
    ]);
    const policies = Object.values(template.findResources('AWS::SQS::QueuePolicy')).map((one) =>
      JSON.stringify(one),
    );
    const allowing = policies.filter((policy) => policy.includes('events.amazonaws.com'));
    expect(allowing).toEqual([expect.stringContaining(`{"Fn::GetAtt":["${id}","Arn"]}`)]);
    expect(() => hub.publishTarget({ channel: 'a//b' })).toThrow('"a//b" is not the name of a channel');
  });

  test('without the prop says which prop is missing', () => {
    const without = new Tidings(stack, 'Without', { stage: 'without' });
    expect(() => without.grantPublish(sender)).toThrow(
      'Stack/Without has no intake queue: set the prop "intake" to true',
    );
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLocalStack } from '../../../local/stack.ts';
import { sentenceOf } from '../../../local/synth.ts';
import { readAssembly } from '../../../local/template/assembly.ts';
import { createResolver } from '../../../local/template/intrinsics.ts';
import type { JsonObject } from '../../../local/template/json.ts';
import { at, resourceOf, synthesizeFixture, tamper } from '../support.ts';

let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
beforeAll(async () => {
  fixture = await synthesizeFixture();
});
afterAll(() => fixture.remove());

/** Starts a changed copy of the assembly, and returns the message with which it is refused. */
async function refusal(stack: string, change: (template: JsonObject) => void): Promise<string> {
  const copy = tamper(fixture.assembly, stack, change);
  try {
    const started = await startLocalStack({ assembly: copy.assembly });
    await started.close();
    return 'started';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    copy.remove();
  }
}

describe('the stack refuses', () => {
  it('a resource type', async () => {
    const sentence = await refusal('Front', (template) => {
      at(template, 'Resources').Bucket = {
        Type: 'AWS::S3::Bucket',
        Metadata: { 'aws:cdk:path': 'Front/B/Resource' },
      };
    });
    expect(sentence).toBe(
      'Front/Bucket (Front/B, AWS::S3::Bucket) is of a type that the local stack does not understand',
    );
  });

  it('a property', async () => {
    const sentence = await refusal('Front', (template) => {
      resourceOf(template, 'AWS::Lambda::Function', 'Echo').properties.Layers = ['arn:aws:lambda:::layer:x'];
    });
    expect(sentence).toMatch(
      /^Front\/Echo\w+ \(Front\/Echo, AWS::Lambda::Function\) has the property Layers, /,
    );
  });

  it('a property below a property', async () => {
    const sentence = await refusal('State', (template) => {
      const { properties } = resourceOf(template, 'AWS::DynamoDB::GlobalTable');
      properties.Replicas = [{ Region: 'us-east-1', KinesisStreamSpecification: {} }];
    });
    expect(sentence).toContain('has the property Replicas.KinesisStreamSpecification, ');
  });

  it.each<[string, string, (template: JsonObject) => void, string]>([
    [
      'an intrinsic function',
      'State',
      (template) => {
        resourceOf(template, 'AWS::DynamoDB::GlobalTable').properties.BillingMode = {
          'Fn::If': ['a', 'b', 'c'],
        };
      },
      'stack State uses Fn::If, which is not understood: ["a","b","c"]',
    ],
    [
      'a section',
      'State',
      (template) => {
        template.Mappings = {};
      },
      'stack State has the section Mappings, which is not understood',
    ],
    [
      'a key of a resource',
      'State',
      (template) => {
        const { logicalId } = resourceOf(template, 'AWS::DynamoDB::GlobalTable');
        at(template, 'Resources', logicalId).CreationPolicy = {};
      },
      'has CreationPolicy, which is not understood',
    ],
    [
      'a reference to nowhere',
      'State',
      (template) => {
        resourceOf(template, 'AWS::DynamoDB::GlobalTable').properties.BillingMode = { Ref: 'Nobody' };
      },
      'stack State refers to Nobody, which it does not have',
    ],
    [
      'a runtime',
      'Front',
      (template) => {
        resourceOf(template, 'AWS::Lambda::Function').properties.Runtime = 'python3.14';
      },
      'has the runtime python3.14; only nodejs runtimes run here',
    ],
    [
      'a managed policy',
      'Front',
      (template) => {
        const { properties } = resourceOf(template, 'AWS::IAM::Role');
        properties.ManagedPolicyArns = ['arn:aws:iam::aws:policy/AdministratorAccess'];
      },
      'has the managed policy arn:aws:iam::aws:policy/AdministratorAccess, which is not known here',
    ],
    [
      'a condition key',
      'Front',
      (template) => {
        const { properties } = resourceOf(template, 'AWS::IAM::Policy');
        const Condition = { StringEquals: { 'aws:SourceVpc': 'vpc-1' } };
        const Statement = { Effect: 'Allow', Action: '*', Resource: '*', Condition };
        properties.PolicyDocument = { Statement };
      },
      'has a condition on aws:SourceVpc; supplied are aws:SecureTransport, ',
    ],
    [
      'an authorizer',
      'Front',
      (template) => {
        resourceOf(template, 'AWS::ApiGatewayV2::Route').properties.AuthorizationType = 'JWT';
      },
      'has the authorization type JWT; only NONE is understood',
    ],
    [
      'a stage of a name',
      'Front',
      (template) => {
        resourceOf(template, 'AWS::ApiGatewayV2::Stage').properties.StageName = 'live';
      },
      'is named live; only $default is understood',
    ],
    [
      'a queue that its topic may not send to',
      'Front',
      (template) => {
        resourceOf(template, 'AWS::SQS::QueuePolicy').properties.PolicyDocument = { Statement: [] };
      },
      'on AWS no message would arrive',
    ],
    [
      'a queue that another topic may send to',
      'Front',
      (template) => {
        const policy = resourceOf(template, 'AWS::SQS::QueuePolicy').properties;
        const topic = 'arn:aws:sns:us-east-1:000000000000:another';
        const only = { ArnEquals: { 'aws:SourceArn': topic } };
        policy.PolicyDocument = JSON.parse(
          JSON.stringify(policy.PolicyDocument).replace(/\{"ArnEquals":\{.*?\}\}\}/, JSON.stringify(only)),
        );
      },
      'on AWS no message would arrive',
    ],
    [
      'traces that the role may not send',
      'Front',
      (template) => {
        resourceOf(template, 'AWS::Lambda::Function').properties.TracingConfig = { Mode: 'Active' };
      },
      'is traced, and its role may not do xray:PutTraceSegments',
    ],
    [
      'a subscription of a protocol',
      'Front',
      (template) => {
        resourceOf(template, 'AWS::SNS::Subscription').properties.Protocol = 'https';
      },
      'has the protocol https; only sqs and email are known here',
    ],
  ])('%s', async (_, stack, change, sentence) => {
    expect(await refusal(stack, change)).toContain(sentence);
  });

  it('but not a subscription by e-mail, which nobody on this machine can confirm', async () => {
    const sentence = await refusal('Front', (template) => {
      const { properties } = resourceOf(template, 'AWS::SNS::Subscription');
      Object.assign(properties, { Protocol: 'email', Endpoint: 'ops@example.com' });
    });
    expect(sentence).toBe('started');
  });

  it('a directory without an assembly', async () => {
    await expect(startLocalStack({ assembly: '/nowhere' })).rejects.toThrow(
      'cannot read /nowhere/manifest.json',
    );
  });

  it('a concurrency below one', async () => {
    await expect(startLocalStack({ assembly: fixture.assembly, concurrency: 0 })).rejects.toThrow(
      'concurrency must be a whole number from 1, got 0',
    );
  });
});

describe('resolver', () => {
  const resolve = (value: unknown) => {
    const assembly = readAssembly(fixture.assembly);
    const stack = assembly.stacks.find(({ name }) => name === 'Front');
    if (stack === undefined) throw new Error('no stack Front');
    return createResolver(assembly, {
      ref: ({ logicalId }) => `ref-${logicalId}`,
      attribute: ({ logicalId }, name) => `${logicalId}-${name}`,
    })(stack, value);
  };

  it.each([
    ['plain values', { a: [1, 'b', true] }, { a: [1, 'b', true] }],
    ['pseudo parameters', { Ref: 'AWS::Region' }, 'us-east-1'],
    ['the stack name', { Ref: 'AWS::StackName' }, 'Front'],
    ['Join', { 'Fn::Join': ['-', ['a', { Ref: 'AWS::Partition' }]] }, 'a-aws'],
    ['Sub', { 'Fn::Sub': 'x-${AWS::AccountId}-${!Literal}' }, 'x-000000000000-${Literal}'],
    [
      'Sub with variables',
      { 'Fn::Sub': ['${A}/${B}', { A: 'a', B: { Ref: 'AWS::URLSuffix' } }] },
      'a/amazonaws.com',
    ],
    ['Select of Split', { 'Fn::Select': [1, { 'Fn::Split': [':', 'a:b:c'] }] }, 'b'],
  ])('%s', (_, value, expected) => {
    expect(resolve(value)).toEqual(expected);
  });

  it('refuses an import without an export', () => {
    expect(() => resolve({ 'Fn::ImportValue': 'nothing' })).toThrow('no stack exports nothing');
  });
});

describe('synth', () => {
  it('rejects with the message of the app, without its stack trace', async () => {
    await expect(synthesizeFixture({ refuse: true })).rejects.toThrow(/^refuse must be false, got true$/);
  });

  it.each([
    [
      'an error',
      "/a.ts:1\nthrow new Error('no')\n      ^\n\nError: no such thing\n    at a (b:1:1)\n\nNode.js v24\n",
      'no such thing',
    ],
    ['an error of its own class', 'ValidationError: two\nlines\n    at a (b:1:1)\n', 'two\nlines'],
    ['an error with a code', "Error [ERR_X]: coded\n    at a {\n  code: 'ERR_X'\n}\n", 'coded'],
    [
      'a plain sentence',
      '(node:1) Warning: old\nretentionDays must be 1 or more, got 0\n',
      'retentionDays must be 1 or more, got 0',
    ],
  ])('finds the message of %s', (_, stderr, sentence) => {
    expect(sentenceOf(stderr)).toBe(sentence);
  });
});

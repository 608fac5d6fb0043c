/**
 * The policies of resources in a running stack: for calls of functions, and for invocations of functions.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import { asList, type JsonObject } from '../../../local/template/json.ts';
import { at, jsonOf, resourceOf, synthesizeFixture, tamper } from '../support.ts';

let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
beforeAll(async () => {
  fixture = await synthesizeFixture();
});
afterAll(() => fixture.remove());

async function withChange(change: (template: JsonObject) => void, run: (stack: LocalStack) => Promise<void>) {
  const copy = tamper(fixture.assembly, 'Front', change);
  const stack = await startLocalStack({ assembly: copy.assembly });
  try {
    await run(stack);
  } finally {
    await stack.close();
    copy.remove();
  }
}

/** Returns the answer to a message that the function sends with its own credentials. */
async function sent({ url, outputs }: LocalStack): Promise<JsonObject> {
  const input = { QueueUrl: outputs.QueueUrl, MessageBody: 'x' };
  const body = JSON.stringify({ service: 'sqs', target: 'AmazonSQS.SendMessage', input });
  return jsonOf(await fetch(`${url}/work`, { method: 'POST', body }));
}

/** Adds a statement about the queue to its policy, for the role of the function that sends. */
function say(template: JsonObject, effect: 'Allow' | 'Deny'): void {
  const { properties } = resourceOf(template, 'AWS::SQS::QueuePolicy', 'QueuePolicy');
  const role = resourceOf(template, 'AWS::IAM::Role', 'WorkRole').logicalId;
  const queue = resourceOf(template, 'AWS::SQS::Queue', 'Queue').logicalId;
  const document = at(properties, 'PolicyDocument');
  document.Statement = [
    ...asList(document.Statement),
    {
      Effect: effect,
      Action: 'sqs:SendMessage',
      Principal: { AWS: { 'Fn::GetAtt': [role, 'Arn'] } },
      Resource: { 'Fn::GetAtt': [queue, 'Arn'] },
    },
  ];
}

/** Removes the grants on the queue from the role of the function. */
function takeGrant(template: JsonObject): void {
  const document = at(resourceOf(template, 'AWS::IAM::Policy', 'WorkRole').properties, 'PolicyDocument');
  document.Statement = asList(document.Statement).filter((each) => !JSON.stringify(each).includes('sqs:'));
}

describe('the policy of a queue', () => {
  it('allows calls over TLS, as all calls of SDK clients are', () =>
    withChange(
      () => {},
      async (stack) => expect(await sent(stack)).toMatchObject({ status: 200 }),
    ));

  it('denies a call that the role allows', () =>
    withChange(
      (template) => say(template, 'Deny'),
      async (stack) => {
        expect(await sent(stack)).toMatchObject({
          status: 400,
          body: { message: expect.stringContaining('with an explicit deny in a resource-based policy') },
        });
      },
    ));

  it('allows a call that the role does not allow', async () => {
    await withChange(takeGrant, async (stack) => {
      expect(await sent(stack)).toMatchObject({ status: 400 });
    });
    const both = (template: JsonObject) => {
      takeGrant(template);
      say(template, 'Allow');
    };
    await withChange(both, async (stack) => expect(await sent(stack)).toMatchObject({ status: 200 }));
  });
});

describe('the policy of a function', () => {
  const ofEcho = (template: JsonObject) =>
    resourceOf(template, 'AWS::Lambda::Permission', 'ApiANYecho').properties;

  it.each([
    ['another API', 'arn:aws:execute-api:us-east-1:000000000000:another/*/*/echo'],
    ['another route', 'arn:aws:execute-api:us-east-1:000000000000:*/*/*/gate'],
    ['another account', 'arn:aws:execute-api:us-east-1:111111111111:*/*/*/echo'],
  ])('with %s does not let the gateway invoke it', async (_, SourceArn) => {
    await withChange(
      (template) => {
        ofEcho(template).SourceArn = SourceArn;
      },
      async ({ url }) => {
        expect((await fetch(`${url}/echo`)).status).toBe(500);
        expect((await fetch(`${url}/echo/more`)).status).toBe(200);
      },
    );
  });

  it('without a source lets every route invoke it', () =>
    withChange(
      (template) => {
        delete ofEcho(template).SourceArn;
      },
      async ({ url }) => expect((await fetch(`${url}/echo`)).status).toBe(200),
    ));
});

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startLocalStack } from '../../../local/stack.ts';
import { isObject } from '../../../local/template/json.ts';
import { at, jsonOf, resourceOf, tamper } from '../support.ts';
import { key, startWorkStack, type WorkStack } from '../work-stack.ts';

let fixture: WorkStack;
beforeAll(async () => {
  fixture = await startWorkStack();
});
afterAll(() => fixture.close());
afterEach(() => fixture.reset());

describe('the role of a function', () => {
  it('allows a granted call', async () => {
    expect(await jsonOf(await fixture.work({ input: fixture.item('granted') }))).toEqual({
      status: 200,
      body: {},
    });
  });

  it('denies another call with the error of AWS', async () => {
    const input = { TableName: fixture.stack.outputs.TableName, Key: key('a') };
    const answer = await jsonOf(await fixture.work({ target: 'DynamoDB_20120810.UpdateItem', input }));
    expect(answer.status).toBe(400);
    expect(at(answer, 'body').__type).toMatch(/#AccessDeniedException$/);
    expect(at(answer, 'body').message).toMatch(
      new RegExp(
        '^User: arn:aws:sts::000000000000:assumed-role/Front-WorkRole\\w+/Front-Work\\w+ is not authorized to perform: ' +
          'dynamodb:UpdateItem on resource: arn:aws:dynamodb:us-east-1:000000000000:table/State-Things\\w+ ' +
          'because no identity-based policy allows the dynamodb:UpdateItem action$',
      ),
    );
  });

  it('decides about each table of a batch, about the secret and about the queue', async () => {
    const batch = { RequestItems: { [fixture.stack.outputs.TableName ?? '']: { Keys: [key('a')] } } };
    const denied = await jsonOf(
      await fixture.work({ target: 'DynamoDB_20120810.BatchGetItem', input: batch }),
    );
    expect(at(denied, 'body').message).toContain('dynamodb:BatchGetItem on resource: arn:aws:dynamodb:');
    const secret = { service: 'secretsmanager', input: { SecretId: fixture.stack.outputs.SecretArn } };
    expect(
      await jsonOf(await fixture.work({ ...secret, target: 'secretsmanager.GetSecretValue' })),
    ).toMatchObject({
      status: 200,
    });
    const message = { QueueUrl: fixture.stack.outputs.QueueUrl, MessageBody: 'x' };
    const sent = await fixture.work({ service: 'sqs', target: 'AmazonSQS.SendMessage', input: message });
    expect(await jsonOf(sent)).toMatchObject({ status: 200, body: { MessageId: expect.any(String) } });
    const purge = await fixture.work({ service: 'sqs', target: 'AmazonSQS.PurgeQueue', input: message });
    expect(at(await jsonOf(purge), 'body').message).toContain('sqs:PurgeQueue on resource: arn:aws:sqs:');
  });

  it('loses a grant that is removed from a copy of the template', async () => {
    const copy = tamper(fixture.assembly, 'Front', (template) => {
      const { properties } = resourceOf(template, 'AWS::IAM::Policy', 'WorkRole');
      const { Statement } = at(properties, 'PolicyDocument');
      for (const statement of Array.isArray(Statement) ? Statement.filter(isObject) : []) {
        const actions = statement.Action;
        if (Array.isArray(actions))
          statement.Action = actions.filter((action) => action !== 'dynamodb:PutItem');
      }
    });
    const poorer = await startLocalStack({ assembly: copy.assembly });
    try {
      const answer = await jsonOf(await fixture.work({ input: fixture.item('x') }, poorer.url));
      expect(at(answer, 'body').__type).toContain('AccessDeniedException');
    } finally {
      await poorer.close();
      copy.remove();
    }
  });

  it('has a record of its used and unused grants', async () => {
    await fixture.work({ input: fixture.item('recorded') });
    const grants = (await fixture.records('grants')).filter((grant) => grant.function === 'Front/Work');
    const table = `arn:aws:dynamodb:us-east-1:000000000000:table/${fixture.stack.outputs.TableName}`;
    const usedOf = (action: string, resource: string) => {
      return grants.find((grant) => grant.action === action && grant.resource === resource)?.used;
    };
    expect(usedOf('dynamodb:PutItem', table)).toBe(true);
    expect(usedOf('dynamodb:DeleteItem', table)).toBe(false);
    expect(usedOf('dynamodb:PutItem', `${table}/index/*`)).toBe(false);
    const streams = grants.filter((grant) => grant.action === 'logs:CreateLogStream');
    expect(streams.map((grant) => grant.used)).toEqual([true]);
  });

  it('has a count of its calls until the counts are deleted', async () => {
    await fixture.work({ input: fixture.item('one'), twice: fixture.item('two') });
    expect(await fixture.records('calls')).toEqual([
      { function: 'Front/Work', action: 'dynamodb:PutItem', count: 2 },
    ]);
    await fixture.control('calls', { method: 'DELETE' });
    expect(await fixture.records('calls')).toEqual([]);
  });
});

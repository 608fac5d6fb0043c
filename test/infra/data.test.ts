/**
 * The resources that hold data, or that clients know by their URL: their protection, and their logical ids.
 * @module
 */
import { Match, type Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { fieldsOf } from '../../protocol/fields.ts';
import { templatesOf } from './synthesized.ts';

let log: Template;
let hub: Template;
beforeAll(() => {
  ({ log, hub } = templatesOf());
});

describe('a resource with data', () => {
  const tables = (template: Template) => Object.values(template.findResources('AWS::DynamoDB::GlobalTable'));

  test('is encrypted, restorable, protected, and retained when its stack is deleted', () => {
    const lasting = tables(log).filter((table) => table.DeletionPolicy !== 'Delete');
    expect(lasting).toHaveLength(6);
    for (const table of lasting) {
      expect(table).toMatchObject({
        DeletionPolicy: 'Retain',
        Properties: {
          BillingMode: 'PAY_PER_REQUEST',
          SSESpecification: { SSEEnabled: false }, // false means the key that AWS owns, which costs nothing
          TimeToLiveSpecification: { AttributeName: 'expiry', Enabled: true },
          Replicas: [
            {
              DeletionProtectionEnabled: true,
              PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
            },
          ],
        },
      });
    }
    log.hasResource('AWS::SecretsManager::Secret', { DeletionPolicy: 'Retain' });
    expect(Object.keys(hub.findResources('AWS::DynamoDB::GlobalTable'))).toEqual([]);
  });

  test('is deleted with a throw-away hub', () => {
    const throwAway = templatesOf({ 'tidings:throwAway': 'true' }).log;
    for (const table of tables(throwAway)) {
      expect(table).toMatchObject({ DeletionPolicy: 'Delete' });
      expect(JSON.stringify(table)).not.toContain('"DeletionProtectionEnabled":true');
    }
    throwAway.hasResource('AWS::SecretsManager::Secret', { DeletionPolicy: 'Delete' });
  });

  test('is a generated key of at least 256 bits', () => {
    log.hasResourceProperties('AWS::SecretsManager::Secret', {
      GenerateSecretString: Match.objectLike({
        GenerateStringKey: 'current',
        PasswordLength: 64,
        ExcludePunctuation: true,
      }),
    });
  });
});

/**
 * CloudFormation replaces a resource whose logical id changes: a table would be new and empty, a URL another one. The CDK derives
 * the id from the ids of the constructs, so a rename in lib/ can change it. A change of this list needs a migration.
 */
const LOG_STACK: Readonly<Record<string, string>> = {
  LogChannels0B305C3B: 'table by channel',
  LogEntriesDFEDF7F0: 'table by streamId, slot',
  LogKeysA22292E3: 'table by key',
  LogSnapshots0158DDDA: 'table by streamId, part',
  ListenersSubscribers67E4934A: 'table by pattern, connection',
  ListenersCursors8CCEFA79: 'table by channel, shard',
  WebhooksEndpoints6BA5EB2E: 'table by kind, id',
  WebhooksDeliveries78486319: 'table by endpoint, row',
  TokenKeysSecret4E045AC4: 'secret',
  WebhooksWebhookKey9B00D3BD: 'secret',
};

const HUB_STACK: Readonly<Record<string, string>> = {
  HintsTopic232E3208: 'topic',
  HintsPushQueue9FB46196: 'queue',
  HintsPushDeadLetters15A3F7DD: 'queue',
  FoldsFoldQueueA7F1CAC9: 'queue',
  FoldsFoldDeadLetters0D6596A7: 'queue',
  WebhookQueuesDispatchQueueA34450BC: 'queue',
  WebhookQueuesDispatchDeadLetters4F777081: 'queue',
  WebhookQueuesDeliverQueue2ED1D1BE: 'queue',
  WebhookQueuesDeliverDeadLettersD9BEAFBF: 'queue',
  HttpApi4E1D4184: 'HTTP API',
  HttpStageD1D6DBD6: 'stage $default',
  SocketApiF12253BF: 'WEBSOCKET API',
  SocketStage04D5B438: 'stage ws',
  StreamHandlerFunction0610A0C9: 'function with a URL',
  StreamHandlerFunctionFunctionUrlCC671092: 'function URL',
  EdgeDistribution0060737B: 'distribution',
};

describe('the logical ids of resources with data or with a URL are frozen', () => {
  test.each([
    ['log', LOG_STACK, () => log],
    ['hub', HUB_STACK, () => hub],
  ])('of the stack of the %s', (_name, ids, template) => {
    expect(lastingIn(template())).toEqual(ids);
  });

  test('for every stage and without the front door', () => {
    const other = templatesOf({ 'tidings:stage': 'prod', 'tidings:edge': false });
    const { EdgeDistribution0060737B: _, ...withoutEdge } = HUB_STACK;
    expect(lastingIn(other.log)).toEqual(LOG_STACK);
    expect(lastingIn(other.hub)).toEqual(withoutEdge);
  });
});

/** Returns the resources with data, or with a URL, by logical id. */
function lastingIn(template: Template): Record<string, string> {
  const resources = Object.entries(fieldsOf(template.toJSON().Resources)).map(
    ([id, resource]) => [id, fieldsOf(resource)] as const,
  );
  const withUrl = resources
    .filter(([, { Type }]) => Type === 'AWS::Lambda::Url')
    .map(([, { Properties }]) => JSON.stringify(fieldsOf(Properties).TargetFunctionArn));
  const described = resources.map(([id, { Type, Properties }]) => {
    const isTarget = withUrl.some((arn) => arn.includes(`"${id}"`));
    return [id, isTarget ? 'function with a URL' : kindOf(String(Type), fieldsOf(Properties))] as const;
  });
  return Object.fromEntries(
    described.filter(([, kind]) => kind !== undefined).map(([id, kind]) => [id, String(kind)]),
  );
}

/** Returns the kind of a resource with data or with a URL, and undefined for all others. A table with another key is another table. */
function kindOf(type: string, properties: Readonly<Record<string, unknown>>): string | undefined {
  const { KeySchema, ProtocolType, StageName } = properties;
  const keys = Array.isArray(KeySchema) ? KeySchema.map(({ AttributeName }) => String(AttributeName)) : [];
  const kinds: Readonly<Record<string, string>> = {
    'AWS::DynamoDB::GlobalTable': `table by ${keys.join(', ')}`,
    'AWS::SecretsManager::Secret': 'secret',
    'AWS::SNS::Topic': 'topic',
    'AWS::SQS::Queue': 'queue',
    'AWS::ApiGatewayV2::Api': `${String(ProtocolType)} API`,
    'AWS::ApiGatewayV2::Stage': `stage ${String(StageName)}`,
    'AWS::Lambda::Url': 'function URL',
    'AWS::CloudFront::Distribution': 'distribution',
  };
  return kinds[type];
}

/**
 * The tables of webhooks, and the key that seals the secrets of endpoints: who needs them gets exactly the actions for
 * that, and the environment to find them.
 * @module
 */
import { RemovalPolicy, Validations } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { deliveriesEnv, endpointsEnv, vaultEnv } from '../lambda/env.ts';
import type { HubConfig } from './config.ts';
import type { HubFunction } from './hub-function.ts';

/** 64 of 62 characters: 380 bits, where AES-256 needs 256. */
const KEY_LENGTH = 64;

export class Endpoints extends Construct {
  readonly endpoints: dynamodb.TableV2;
  readonly deliveries: dynamodb.TableV2;
  readonly key: secretsmanager.Secret;

  constructor(scope: Construct, id: string, config: HubConfig) {
    super(scope, id);
    this.endpoints = this.#table('Endpoints', config, 'kind', 'id');
    this.deliveries = this.#table('Deliveries', config, 'endpoint', 'row');
    this.key = new secretsmanager.Secret(this, 'WebhookKey', {
      description: `seals the secrets of webhook endpoints of tidings:${config.stage}`,
      generateSecretString: {
        secretStringTemplate: JSON.stringify({ previous: '' }),
        generateStringKey: 'current',
        passwordLength: KEY_LENGTH,
        excludePunctuation: true,
      },
      removalPolicy: config.throwAway ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
    });
    Validations.of(this.key).acknowledge({
      id: 'AwsSolutions-SMG4',
      reason:
        'what was sealed stays sealed with the key of its day: a new one takes over as the operator moves the current key to previous (docs/runbook.md)',
    });
  }

  /** Lets a door create and change endpoints, read what was delivered, and leave errands. */
  grantManage(door: HubFunction): void {
    this.#grantEndpoints(door, 'GetItem', 'Query', 'PutItem', 'UpdateItem', 'DeleteItem');
    this.#grantDeliveries(door, 'GetItem', 'Query', 'PutItem', 'UpdateItem');
    this.#grantKey(door);
  }

  /** Lets a door find out who listens to a channel, and leave them errands. */
  grantDispatch(door: HubFunction): void {
    this.#grantEndpoints(door, 'BatchGetItem', 'GetItem', 'UpdateItem');
    this.#grantDeliveries(door, 'PutItem', 'UpdateItem');
  }

  /** Lets a door do the errands of endpoints, and disable those that are no more. */
  grantDeliver(door: HubFunction): void {
    this.#grantEndpoints(door, 'GetItem', 'PutItem', 'UpdateItem');
    this.#grantDeliveries(door, 'GetItem', 'Query', 'PutItem', 'UpdateItem', 'DeleteItem');
    this.#grantKey(door);
  }

  #grantEndpoints(door: HubFunction, ...actions: readonly string[]): void {
    const { tableArn, tableName } = this.endpoints;
    door.grant(actions.map(inDynamoDb), tableArn, endpointsEnv.write({ ENDPOINTS_TABLE: tableName }));
  }

  #grantDeliveries(door: HubFunction, ...actions: readonly string[]): void {
    const { tableArn, tableName } = this.deliveries;
    door.grant(actions.map(inDynamoDb), tableArn, deliveriesEnv.write({ DELIVERIES_TABLE: tableName }));
  }

  #grantKey(door: HubFunction): void {
    const { secretArn } = this.key;
    door.grant(['secretsmanager:GetSecretValue'], secretArn, vaultEnv.write({ WEBHOOK_KEY_ARN: secretArn }));
  }

  #table(id: string, { throwAway }: HubConfig, partitionKey: string, sortKey: string): dynamodb.TableV2 {
    return new dynamodb.TableV2(this, id, {
      partitionKey: { name: partitionKey, type: dynamodb.AttributeType.STRING },
      sortKey: { name: sortKey, type: dynamodb.AttributeType.STRING },
      billing: dynamodb.Billing.onDemand(),
      timeToLiveAttribute: 'expiry',
      encryption: dynamodb.TableEncryptionV2.dynamoOwnedKey(),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: !throwAway,
      removalPolicy: throwAway ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
    });
  }
}

const inDynamoDb = (action: string): string => `dynamodb:${action}`;

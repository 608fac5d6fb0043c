/**
 * The tables of webhooks, and the key that seals the secrets of endpoints: who needs them gets exactly the actions for
 * that, and the environment to find them.
 * @module
 */
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { deliveriesEnv, endpointsEnv, sealingEnv } from '../../lambda/env.ts';
import type { HubConfig } from '../config/config.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import { rotatedKey } from './rotated-key.ts';
import { grantTable, lastingTable, textKey } from './table.ts';

export class Endpoints extends Construct {
  readonly endpoints: dynamodb.TableV2;
  readonly deliveries: dynamodb.TableV2;
  readonly key: secretsmanager.Secret;

  constructor(scope: Construct, id: string, config: HubConfig) {
    super(scope, id);
    this.endpoints = lastingTable(this, 'Endpoints', textKey('kind', 'id'), config);
    this.deliveries = lastingTable(this, 'Deliveries', textKey('endpoint', 'row'), config);
    this.key = rotatedKey(this, 'WebhookKey', config, {
      description: `seals the secrets of webhook endpoints of tidings:${config.stage}`,
      unscheduled:
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
    const { tableName } = this.endpoints;
    grantTable(door, this.endpoints, actions, endpointsEnv.write({ ENDPOINTS_TABLE: tableName }));
  }

  #grantDeliveries(door: HubFunction, ...actions: readonly string[]): void {
    const { tableName } = this.deliveries;
    grantTable(door, this.deliveries, actions, deliveriesEnv.write({ DELIVERIES_TABLE: tableName }));
  }

  #grantKey(door: HubFunction): void {
    const { secretArn } = this.key;
    door.grant(
      ['secretsmanager:GetSecretValue'],
      secretArn,
      sealingEnv.write({ WEBHOOK_KEY_ARN: secretArn }),
    );
  }
}

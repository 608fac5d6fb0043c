/**
 * The tables of webhooks, and the key that seals the secrets of endpoints. Each handler gets exactly the actions that it needs,
 * and the names of the tables.
 * @module
 */
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { deliveriesEnv, endpointsEnv, sealingEnv } from '../../lambda/env.ts';
import type { LogOptions } from '../config/log-options.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import { rotatedKey } from './rotated-key.ts';
import { durableTable, grantTable, textKey } from './table.ts';

/** The tables of endpoints and of their deliveries, and the sealing key. */
export class Endpoints extends Construct {
  /** The endpoints, and the registration of each for its patterns. */
  readonly endpointsTable: dynamodb.TableV2;
  /** Tasks by due time, deliveries with their attempts, and the lease of each endpoint. */
  readonly deliveriesTable: dynamodb.TableV2;
  /** Seals the secrets of endpoints: `current` and `previous`. */
  readonly key: secretsmanager.Secret;

  constructor(scope: Construct, id: string, { stage, removalPolicy }: LogOptions) {
    super(scope, id);
    this.endpointsTable = durableTable(this, 'Endpoints', textKey('kind', 'id'), removalPolicy);
    this.deliveriesTable = durableTable(this, 'Deliveries', textKey('endpoint', 'row'), removalPolicy);
    this.key = rotatedKey(this, 'WebhookKey', removalPolicy, {
      description: `seals the secrets of webhook endpoints of tidings:${stage}`,
      unscheduled:
        'sealed secrets need the key that sealed them: the operator moves the current key to previous, and sets a new one (docs/runbook.md)',
    });
  }

  /** Allows a handler to create and change endpoints, to read deliveries, and to add delivery tasks. */
  grantManage(handler: HubFunction): void {
    this.#grantEndpoints(handler, 'GetItem', 'Query', 'PutItem', 'UpdateItem', 'DeleteItem');
    this.#grantDeliveries(handler, 'GetItem', 'Query', 'PutItem', 'UpdateItem');
    this.#grantKey(handler);
  }

  /** Allows a handler to find the endpoints of a channel, and to add delivery tasks for them. */
  grantDispatch(handler: HubFunction): void {
    this.#grantEndpoints(handler, 'BatchGetItem', 'UpdateItem');
    this.#grantDeliveries(handler, 'PutItem', 'UpdateItem');
  }

  /** Allows a handler to do delivery tasks, and to disable endpoints that fail or are gone. */
  grantDeliver(handler: HubFunction): void {
    this.#grantEndpoints(handler, 'BatchGetItem', 'GetItem', 'PutItem', 'UpdateItem');
    this.#grantDeliveries(handler, 'GetItem', 'Query', 'PutItem', 'UpdateItem', 'DeleteItem');
    this.#grantKey(handler);
  }

  #grantEndpoints(handler: HubFunction, ...actions: readonly string[]): void {
    const { tableName } = this.endpointsTable;
    grantTable(handler, this.endpointsTable, actions, endpointsEnv.write({ ENDPOINTS_TABLE: tableName }));
  }

  #grantDeliveries(handler: HubFunction, ...actions: readonly string[]): void {
    const { tableName } = this.deliveriesTable;
    grantTable(handler, this.deliveriesTable, actions, deliveriesEnv.write({ DELIVERIES_TABLE: tableName }));
  }

  #grantKey(handler: HubFunction): void {
    const { secretArn } = this.key;
    handler.grant(
      ['secretsmanager:GetSecretValue'],
      secretArn,
      sealingEnv.write({ WEBHOOK_KEY_ARN: secretArn }),
    );
  }
}

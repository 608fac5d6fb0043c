/**
 * The tables of who listens, and how far they were pushed to: rows live for seconds to hours, and the log does not depend
 * on them.
 * @module
 */
import { RemovalPolicy } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { listenersEnv } from '../lambda/env.ts';
import type { HubFunction } from './hub-function.ts';

export class Subscribers extends Construct {
  readonly table: dynamodb.TableV2;
  readonly cursors: dynamodb.TableV2;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.table = this.#table('Subscribers', 'pattern', 'connection');
    this.cursors = this.#table('Cursors', 'channel', 'shard');
  }

  /** Lets a door show that it holds readers (PutItem), and count them by caller. */
  grantWait(door: HubFunction): void {
    this.#grant(door, this.table, 'PutItem', 'GetItem', 'UpdateItem');
  }

  /** Lets a door note connections and what they subscribe to. */
  grantSubscribe(door: HubFunction): void {
    this.#grant(door, this.table, 'GetItem', 'PutItem', 'UpdateItem', 'DeleteItem');
  }

  /** Lets a door find the connections of a principal. */
  grantKick(door: HubFunction): void {
    this.#grant(door, this.table, 'Query');
  }

  /** Lets a door find out who listens, move them along, and forget those who are gone. */
  grantPush(door: HubFunction): void {
    this.#grant(door, this.table, 'Query', 'BatchGetItem', 'GetItem', 'UpdateItem', 'DeleteItem');
    this.#grant(door, this.cursors, 'GetItem', 'UpdateItem');
  }

  #grant(door: HubFunction, table: dynamodb.TableV2, ...actions: readonly string[]): void {
    const names = actions.map((action) => `dynamodb:${action}`);
    door.grant(names, table.tableArn, listenersEnv.write({ SUBSCRIBERS_TABLE: this.table.tableName }));
  }

  #table(id: string, partitionKey: string, sortKey: string): dynamodb.TableV2 {
    return new dynamodb.TableV2(this, id, {
      partitionKey: { name: partitionKey, type: dynamodb.AttributeType.STRING },
      sortKey: { name: sortKey, type: dynamodb.AttributeType.STRING },
      billing: dynamodb.Billing.onDemand(),
      timeToLiveAttribute: 'expiry',
      encryption: dynamodb.TableEncryptionV2.dynamoOwnedKey(),
      // Nothing here outlives the connections and requests that it is about, so there is nothing to restore.
      removalPolicy: RemovalPolicy.DESTROY,
    });
  }
}

/**
 * The table of who waits and listens: rows live for seconds to hours, and the log does not depend on them.
 * @module
 */
import { RemovalPolicy } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { waitEnv } from '../lambda/env.ts';
import type { HubFunction } from './hub-function.ts';

export class Subscribers extends Construct {
  readonly table: dynamodb.TableV2;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.table = new dynamodb.TableV2(this, 'Subscribers', {
      partitionKey: { name: 'pattern', type: dynamodb.AttributeType.STRING },
      sortKey: { name: 'connection', type: dynamodb.AttributeType.STRING },
      billing: dynamodb.Billing.onDemand(),
      timeToLiveAttribute: 'expiry',
      encryption: dynamodb.TableEncryptionV2.dynamoOwnedKey(),
      // Nothing here outlives the connections and requests that it is about, so there is nothing to restore.
      removalPolicy: RemovalPolicy.DESTROY,
    });
  }

  /** Lets a door show that it holds readers. */
  grantWait(door: HubFunction): void {
    const environment = waitEnv.write({ SUBSCRIBERS_TABLE: this.table.tableName });
    door.grant(['dynamodb:PutItem'], this.table.tableArn, environment);
  }
}

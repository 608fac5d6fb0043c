/**
 * The properties of every table, and the grant of actions on it.
 * @module
 */
import { RemovalPolicy } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type { Construct } from 'constructs';
import type { HubFunction } from '../functions/hub-function.ts';

/** The partition key, and the sort key if there is one. */
export type TableKey = Pick<dynamodb.TablePropsV2, 'partitionKey' | 'sortKey'>;

/** Returns a key of two strings. */
export const textKey = (partition: string, sort: string): TableKey => ({
  partitionKey: { name: partition, type: dynamodb.AttributeType.STRING },
  sortKey: { name: sort, type: dynamodb.AttributeType.STRING },
});

const EVERY_TABLE = {
  billing: dynamodb.Billing.onDemand(),
  // In seconds since 1970: DynamoDB removes expired items.
  timeToLiveAttribute: 'expiry',
  // The key that AWS owns. A KMS key would add its price to every request.
  encryption: dynamodb.TableEncryptionV2.dynamoOwnedKey(),
};

/** Adds a table whose data must not be lost: restorable, protected, and retained when its stack is deleted. */
export function durableTable(scope: Construct, id: string, key: TableKey, removalPolicy: RemovalPolicy) {
  return new dynamodb.TableV2(scope, id, {
    ...key,
    ...EVERY_TABLE,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    deletionProtection: removalPolicy === RemovalPolicy.RETAIN,
    removalPolicy,
  });
}

/** Adds a table whose rows live no longer than the connections and requests that they describe, so there is nothing to restore. */
export const temporaryTable = (scope: Construct, id: string, key: TableKey) =>
  new dynamodb.TableV2(scope, id, { ...key, ...EVERY_TABLE, removalPolicy: RemovalPolicy.DESTROY });

/** Allows a handler exactly these actions on a table, such as `GetItem`, and sets the environment variables by which it finds the table. */
export function grantTable(
  handler: HubFunction,
  { tableArn }: dynamodb.TableV2,
  actions: readonly string[],
  environment: Record<string, string>,
): void {
  handler.grant(
    actions.map((action) => `dynamodb:${action}`),
    tableArn,
    environment,
  );
}

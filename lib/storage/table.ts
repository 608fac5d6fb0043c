/**
 * What every table of the hub has, and how doors get at it.
 * @module
 */
import { RemovalPolicy } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type { Construct } from 'constructs';
import type { HubConfig } from '../config/config.ts';
import type { HubFunction } from '../functions/hub-function.ts';

export type TableKey = Pick<dynamodb.TablePropsV2, 'partitionKey' | 'sortKey'>;

/** A key of two texts. */
export const textKey = (partition: string, sort: string): TableKey => ({
  partitionKey: { name: partition, type: dynamodb.AttributeType.STRING },
  sortKey: { name: sort, type: dynamodb.AttributeType.STRING },
});

const EVERY_TABLE = {
  billing: dynamodb.Billing.onDemand(),
  // In seconds since 1970: DynamoDB removes what has expired.
  timeToLiveAttribute: 'expiry',
  // Encrypted at rest with a key that AWS owns: a KMS key would add its price to every request.
  encryption: dynamodb.TableEncryptionV2.dynamoOwnedKey(),
};

/** A table of what must not be lost. */
export function lastingTable(scope: Construct, id: string, key: TableKey, { throwAway }: HubConfig) {
  return new dynamodb.TableV2(scope, id, {
    ...key,
    ...EVERY_TABLE,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    deletionProtection: !throwAway,
    removalPolicy: throwAway ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
  });
}

/** A table in which nothing outlives the connections and requests that it is about, so there is nothing to restore. */
export const passingTable = (scope: Construct, id: string, key: TableKey) =>
  new dynamodb.TableV2(scope, id, { ...key, ...EVERY_TABLE, removalPolicy: RemovalPolicy.DESTROY });

/** Lets a door do exactly these actions on a table, and tells it what it needs to find it. */
export function grantTable(
  door: HubFunction,
  { tableArn }: dynamodb.TableV2,
  actions: readonly string[],
  environment: Record<string, string>,
): void {
  door.grant(
    actions.map((action) => `dynamodb:${action}`),
    tableArn,
    environment,
  );
}

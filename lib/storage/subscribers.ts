/**
 * The tables of who listens, and how far they were pushed to: rows live for seconds to hours, and the log does not depend
 * on them.
 * @module
 */
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { listenersEnv } from '../../lambda/env.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import { grantTable, passingTable, textKey } from './table.ts';

export class Subscribers extends Construct {
  readonly table: dynamodb.TableV2;
  readonly cursors: dynamodb.TableV2;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.table = passingTable(this, 'Subscribers', textKey('pattern', 'connection'));
    this.cursors = passingTable(this, 'Cursors', textKey('channel', 'shard'));
  }

  /** Lets a door show that it holds readers (PutItem), and count them by caller (Query, UpdateItem). */
  grantWait(door: HubFunction): void {
    this.#grant(door, this.table, 'PutItem', 'Query', 'UpdateItem');
  }

  /** Lets a door note connections and what they subscribe to, and count them by caller (Query). */
  grantSubscribe(door: HubFunction): void {
    this.#grant(door, this.table, 'GetItem', 'Query', 'PutItem', 'UpdateItem', 'DeleteItem');
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
    grantTable(door, table, actions, listenersEnv.write({ SUBSCRIBERS_TABLE: this.table.tableName }));
  }
}

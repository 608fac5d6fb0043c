/**
 * The tables of subscribers, and of the cursors of the push. Rows live for seconds to hours, and the log does not depend on
 * them.
 * @module
 */
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { listenersEnv } from '../../lambda/env.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import { grantTable, temporaryTable, textKey } from './table.ts';

/** The connections with their subscriptions, the waiting processes, the quotas of callers, and the cursors of shards. */
export class Subscribers extends Construct {
  /** Connections, subscriptions, waiting processes, and the bookings of callers. */
  readonly table: dynamodb.TableV2;
  /** The cursor and the lease of each shard. */
  readonly cursors: dynamodb.TableV2;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.table = temporaryTable(this, 'Subscribers', textKey('pattern', 'connection'));
    this.cursors = temporaryTable(this, 'Cursors', textKey('channel', 'shard'));
  }

  /** Allows a handler to say which channels a process waits on, and to count its requests by caller (Query). */
  grantWait(handler: HubFunction): void {
    this.#grant(handler, this.table, 'Query', 'UpdateItem');
  }

  /** Allows a handler to note connections and their subscriptions, and to count them by caller (Query). */
  grantSubscribe(handler: HubFunction): void {
    this.#grant(handler, this.table, 'GetItem', 'Query', 'PutItem', 'UpdateItem', 'DeleteItem');
  }

  /** Allows a handler to list the connections (Scan), and to find one, and those of a principal. */
  grantDisconnect(handler: HubFunction): void {
    this.#grant(handler, this.table, 'Query', 'GetItem', 'Scan');
  }

  /** Allows a handler to find the subscribers of a channel, to move their cursors, and to remove the rows of ended connections. */
  grantPush(handler: HubFunction): void {
    this.#grant(handler, this.table, 'Query', 'BatchGetItem', 'GetItem', 'UpdateItem', 'DeleteItem');
    this.#grant(handler, this.cursors, 'BatchGetItem', 'GetItem', 'UpdateItem');
  }

  /** Allows a handler to note that the reader of a held request is in a channel, beside `grantWait`. */
  grantEnter(handler: HubFunction): void {
    this.#grant(handler, this.table, 'GetItem', 'PutItem');
  }

  /** Allows a handler to answer who is in a channel. */
  grantRoll(handler: HubFunction): void {
    this.#grant(handler, this.table, 'Query');
  }

  /** Allows a handler to read who is in a channel, to remove rows that are over, and to take the lease of a channel. */
  grantSettle(handler: HubFunction): void {
    this.#grant(handler, this.table, 'Query', 'GetItem', 'UpdateItem', 'DeleteItem');
  }

  #grant(handler: HubFunction, table: dynamodb.TableV2, ...actions: readonly string[]): void {
    grantTable(handler, table, actions, listenersEnv.write({ SUBSCRIBERS_TABLE: this.table.tableName }));
  }
}

/**
 * The log: who reads or writes it gets exactly the actions for that, and the environment to find it.
 * @module
 */
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { logEnv } from '../../lambda/env.ts';
import type { HubConfig } from '../config/config.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import { grantTable, lastingTable } from './table.ts';

export class ChannelLog extends Construct {
  readonly channels: dynamodb.TableV2;
  readonly entries: dynamodb.TableV2;
  readonly keys: dynamodb.TableV2;
  readonly #environment: Record<string, string>;

  constructor(scope: Construct, id: string, config: HubConfig) {
    super(scope, id);
    const { STRING, NUMBER } = dynamodb.AttributeType;
    const keyed = (name: string) => ({ partitionKey: { name, type: STRING } });
    this.channels = lastingTable(this, 'Channels', keyed('channel'), config);
    const slots = { ...keyed('streamId'), sortKey: { name: 'slot', type: NUMBER } };
    this.entries = lastingTable(this, 'Entries', slots, config);
    this.keys = lastingTable(this, 'Keys', keyed('key'), config);
    this.#environment = logEnv.write({
      CHANNELS_TABLE: this.channels.tableName,
      ENTRIES_TABLE: this.entries.tableName,
      KEYS_TABLE: this.keys.tableName,
      RETENTION_DAYS: String(config.retentionDays),
      CHANNEL_CREATION: config.channelCreation,
    });
  }

  /**
   * Append, create and delete. On entries, GetItem is for telling one's own retried write from a tombstone, and Query for
   * telling a slot that a crash left empty from one that has left with age.
   */
  grantWrite(door: HubFunction): void {
    this.#grant(door, this.channels, 'GetItem', 'PutItem', 'UpdateItem', 'DeleteItem');
    this.#grant(door, this.entries, 'PutItem', 'GetItem', 'Query');
    this.#grant(door, this.keys, 'GetItem', 'PutItem', 'UpdateItem');
  }

  /** Append: what publishes on a socket needs, and enough to read by as well. */
  grantAppend(door: HubFunction): void {
    this.#grant(door, this.channels, 'GetItem', 'PutItem', 'UpdateItem');
    this.#grant(door, this.entries, 'PutItem', 'GetItem', 'Query');
    this.#grant(door, this.keys, 'GetItem', 'PutItem', 'UpdateItem');
  }

  /** Read, and seal the gaps that are met; the idle time of channels is none of a follower's business. */
  grantFollow(door: HubFunction): void {
    this.#grant(door, this.channels, 'GetItem');
    this.#grant(door, this.entries, 'Query', 'PutItem', 'GetItem');
  }

  /** Read, seal the gaps that are met (PutItem, GetItem), and restart the idle time of channels (UpdateItem). */
  grantRead(door: HubFunction): void {
    this.#grant(door, this.channels, 'GetItem', 'UpdateItem');
    this.#grant(door, this.entries, 'Query', 'PutItem', 'GetItem');
  }

  /** Remember tickets that were used. */
  grantRedeem(door: HubFunction): void {
    this.#grant(door, this.keys, 'PutItem');
  }

  /** Read what is in the log, and leave its gaps to others. */
  grantFind(door: HubFunction): void {
    this.#grant(door, this.channels, 'GetItem');
    this.#grant(door, this.entries, 'Query');
  }

  /** Follow, and publish what is the hub's own to say: without Idempotency-Key, on a channel that is there or appears. */
  grantTell(door: HubFunction): void {
    this.#grant(door, this.channels, 'GetItem', 'UpdateItem');
    this.#grant(door, this.entries, 'Query', 'PutItem', 'GetItem');
  }

  #grant(door: HubFunction, table: dynamodb.TableV2, ...actions: readonly string[]): void {
    grantTable(door, table, actions, this.#environment);
  }
}

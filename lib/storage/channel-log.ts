/**
 * The tables of the log. Each handler gets exactly the actions that it needs, and the names of the tables.
 * @module
 */
import type { RemovalPolicy } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { logEnv, snapshotsEnv } from '../../lambda/env.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import { durableTable, grantTable, textKey } from './table.ts';

/** The channels, their entries, the snapshots of keyed channels, and the Idempotency-Keys and tickets that were used. */
export class ChannelLog extends Construct {
  /** An item for each channel: its stream, and its first unclaimed slot. */
  readonly channels: dynamodb.TableV2;
  /** The messages of each publish, or a tombstone, by slot. */
  readonly entries: dynamodb.TableV2;
  /** Idempotency-Keys and used tickets. */
  readonly keys: dynamodb.TableV2;
  /** The newest message of each key of keyed channels: a head, and chunks. */
  readonly snapshots: dynamodb.TableV2;
  constructor(scope: Construct, id: string, removalPolicy: RemovalPolicy) {
    super(scope, id);
    const { STRING, NUMBER } = dynamodb.AttributeType;
    const keyed = (name: string) => ({ partitionKey: { name, type: STRING } });
    this.channels = durableTable(this, 'Channels', keyed('channel'), removalPolicy);
    const slots = { ...keyed('streamId'), sortKey: { name: 'slot', type: NUMBER } };
    this.entries = durableTable(this, 'Entries', slots, removalPolicy);
    this.keys = durableTable(this, 'Keys', keyed('key'), removalPolicy);
    this.snapshots = durableTable(this, 'Snapshots', textKey('streamId', 'part'), removalPolicy);
  }

  /**
   * Allows append, create and delete. On entries, GetItem tells the handler's own retried write from a tombstone, and Query tells
   * an empty slot after a crash from an expired one.
   */
  grantWrite(handler: HubFunction): void {
    this.#grant(handler, this.channels, 'GetItem', 'PutItem', 'UpdateItem', 'DeleteItem');
    this.#grant(handler, this.entries, 'PutItem', 'GetItem', 'Query');
    this.#grant(handler, this.keys, 'GetItem', 'PutItem', 'UpdateItem');
  }

  /** Allows append, for messages that come by a socket or by the intake queue. It also suffices to read. */
  grantAppend(handler: HubFunction): void {
    this.#grant(handler, this.channels, 'GetItem', 'PutItem', 'UpdateItem');
    this.#grant(handler, this.entries, 'PutItem', 'GetItem', 'Query');
    this.#grant(handler, this.keys, 'GetItem', 'PutItem', 'UpdateItem');
  }

  /** Allows a handler to write snapshots of keyed channels, and to remove them. */
  grantSnapshot(handler: HubFunction): void {
    this.#grantSnapshots(handler, 'GetItem', 'PutItem', 'DeleteItem', 'Query');
  }

  /** Allows a handler to read the newest messages of keyed channels. */
  grantLatest(handler: HubFunction): void {
    this.#grantSnapshots(handler, 'GetItem');
  }

  /** Allows a handler to read, and to seal gaps. The push does not restart the idle time of channels. */
  grantFollow(handler: HubFunction): void {
    this.#grant(handler, this.channels, 'GetItem');
    this.#grant(handler, this.entries, 'Query', 'PutItem', 'GetItem');
  }

  /** Allows a handler to read, to seal gaps (PutItem, GetItem), and to restart the idle time of channels (UpdateItem). */
  grantRead(handler: HubFunction): void {
    this.#grant(handler, this.channels, 'GetItem', 'UpdateItem');
    this.#grant(handler, this.entries, 'Query', 'PutItem', 'GetItem');
  }

  /** Allows a handler to list channels. */
  grantList(handler: HubFunction): void {
    this.#grant(handler, this.channels, 'Scan');
  }

  /** Allows a handler to remember used tickets. */
  grantRedeem(handler: HubFunction): void {
    this.#grant(handler, this.keys, 'PutItem');
  }

  /** Allows a handler to read, without sealing gaps. */
  grantReadOnly(handler: HubFunction): void {
    this.#grant(handler, this.channels, 'GetItem');
    this.#grant(handler, this.entries, 'Query');
  }

  /** Allows a handler to read channels and entries together, without sealing gaps. */
  grantReadAhead(handler: HubFunction): void {
    this.#grant(handler, this.channels, 'BatchGetItem', 'GetItem');
    this.#grant(handler, this.entries, 'BatchGetItem', 'Query');
  }

  /** Allows a handler to read, to seal gaps, and to publish the hub's own notices: without Idempotency-Key, on any channel. */
  grantNotices(handler: HubFunction): void {
    // Entries are written, and the item of the channel changed, by the same actions as for a read.
    this.grantRead(handler);
  }

  #grantSnapshots(handler: HubFunction, ...actions: readonly string[]): void {
    const { tableName } = this.snapshots;
    grantTable(handler, this.snapshots, actions, snapshotsEnv.write({ SNAPSHOTS_TABLE: tableName }));
  }

  #grant(handler: HubFunction, table: dynamodb.TableV2, ...actions: readonly string[]): void {
    const environment = logEnv.write({
      CHANNELS_TABLE: this.channels.tableName,
      ENTRIES_TABLE: this.entries.tableName,
      KEYS_TABLE: this.keys.tableName,
      RETENTION_DAYS: String(handler.config.retentionDays),
      CHANNEL_CREATION: handler.config.channelCreation,
    });
    grantTable(handler, table, actions, environment);
  }
}

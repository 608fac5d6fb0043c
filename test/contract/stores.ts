/**
 * The stores that the contract tests run against: the memory that the domain is tested with, and DynamoDB's API.
 * @module
 */
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import dynalite from 'dynalite';
import { afterAll, beforeAll } from 'vitest';
import type { DocumentClient } from '../../lambda/aws/calls/document-calls.ts';
import type { CallOptions } from '../../lambda/aws/calls/signed-calls.ts';
import { channelsInDynamoDb } from '../../lambda/aws/dynamodb/channels-table.ts';
import { connectionsInDynamoDb } from '../../lambda/aws/dynamodb/connections-table.ts';
import { cursorsInDynamoDb } from '../../lambda/aws/dynamodb/cursors-table.ts';
import {
  deliveriesInDynamoDb,
  endpointLeasesInDynamoDb,
} from '../../lambda/aws/dynamodb/deliveries-table.ts';
import { documentClient } from '../../lambda/aws/dynamodb/document-client.ts';
import { dispatchCursorsInDynamoDb, endpointsInDynamoDb } from '../../lambda/aws/dynamodb/endpoints-table.ts';
import { entriesInDynamoDb } from '../../lambda/aws/dynamodb/entries-table.ts';
import { hintLookupInDynamoDb } from '../../lambda/aws/dynamodb/hint-lookup.ts';
import { snapshotsInDynamoDb } from '../../lambda/aws/dynamodb/keyed/snapshots-table.ts';
import { keysInDynamoDb } from '../../lambda/aws/dynamodb/keys-table.ts';
import { quotaInDynamoDb } from '../../lambda/aws/dynamodb/quota-table.ts';
import { waitsInDynamoDb } from '../../lambda/aws/dynamodb/subscribers-table.ts';
import { subscriptionsInDynamoDb } from '../../lambda/aws/dynamodb/subscriptions-table.ts';
import { membersInDynamoDb, settleLeasesInDynamoDb } from '../../lambda/aws/presence/members-table.ts';
import type { QuotaStore } from '../../lambda/hub/hold/caller-quota.ts';
import type { SnapshotStore } from '../../lambda/hub/keyed/snapshot-ports.ts';
import { type Channel, newChannel } from '../../lambda/hub/log/channel.ts';
import type { ChannelStore, Claim, EntryStore, KeyStore } from '../../lambda/hub/log/log-ports.ts';
import type { MemberStore, SettleLeases } from '../../lambda/hub/presence/presence-ports.ts';
import type {
  ConnectionStore,
  CursorStore,
  HintLookup,
  Progress,
  SubscriptionStore,
  WaitStore,
} from '../../lambda/hub/push/push-ports.ts';
import type {
  DeliveryStore,
  DispatchCursorStore,
  EndpointLeaseStore,
  EndpointStore,
} from '../../lambda/webhook/webhook-stores.ts';
import { memoryLog } from '../support/domain/memory-log.ts';
import { memoryQuota } from '../support/domain/memory-quota.ts';
import { memoryListeners } from '../support/domain/memory-subscribers.ts';
import { memoryMembers, memorySettleLeases } from '../support/keyed/presence-world.ts';
import { memoryWebhooks } from '../support/webhooks/memory-webhooks.ts';

export interface Stores {
  readonly channels: ChannelStore;
  readonly entries: EntryStore;
  readonly keys: KeyStore;
  readonly snapshots: SnapshotStore;
  readonly connections: ConnectionStore;
  readonly subscriptions: SubscriptionStore;
  readonly waits: WaitStore;
  readonly cursors: CursorStore;
  readonly lookup: HintLookup;
  readonly quota: QuotaStore;
  /** Ids of quota entries whose connection or request no longer exists. */
  readonly absent: Set<string>;
  readonly endpoints: EndpointStore;
  readonly dispatchCursors: DispatchCursorStore;
  readonly deliveries: DeliveryStore;
  readonly leases: EndpointLeaseStore;
  readonly members: MemberStore;
  readonly settleLeases: SettleLeases;
}

export const NOW = Date.UTC(2026, 0, 1);
let ids = 0;
export const newId = () => `id-${++ids}`;

/** The state of a shard that has delivered nothing, with changes. */
export const progressOf = (more: Partial<Progress>): Progress => ({
  delivered: undefined,
  at: 0,
  isClosed: false,
  lookAt: 0,
  isUnclean: false,
  fence: 0,
  streamId: 'stream',
  roster: 0,
  ...more,
});

type Named = [name: string, open: () => Stores];

/** Each kind of stores by name. Those of DynamoDB exist while the tests of the calling file run. */
export function storesUnderTest(): [Named, Named] {
  serveDynamoDb();
  return [
    ['memory', inMemory],
    ['DynamoDB', () => inDynamoDb()],
  ];
}

/** Changes each call of a client. */
function everyCall(
  { get, query, scan, put, update, delete: remove, batchGet }: DocumentClient,
  change: <I, O>(send: (input: I, options?: CallOptions) => Promise<O>) => (input: I) => Promise<O>,
): DocumentClient {
  return {
    get: change(get),
    query: change(query),
    scan: change(scan),
    put: change(put),
    update: change(update),
    delete: change(remove),
    batchGet: change(batchGet),
  };
}

/** So long a call waits for its answer here, in milliseconds. */
const PATIENT_MS = 60_000;

/**
 * A client that waits for the answers of a busy machine. That of the hub repeats a call after 800 ms, and the second answer may be
 * another one: `hardOfHearing` is about that.
 */
export const patientClient = (): DocumentClient =>
  everyCall(documentClient(), (send) => (input) => send(input, { withinMs: PATIENT_MS }));

/** DynamoDB behind a client that loses the first answer to each call, and so makes every call twice. */
export const hardOfHearing: Named = [
  'DynamoDB, each call made twice',
  () =>
    inDynamoDb(
      everyCall(patientClient(), (send) => async (input) => {
        await send(input).catch(() => {});
        return await send(input);
      }),
    ),
];

function inMemory(): Stores {
  const { cursors: dispatchCursors, ...webhooks } = memoryWebhooks(() => () => {});
  const absent = new Set<string>();
  return {
    ...memoryLog(),
    ...memoryListeners(() => () => {}),
    ...webhooks,
    dispatchCursors,
    quota: memoryQuota(async (id) => !absent.has(id)),
    absent,
    members: memoryMembers(),
    settleLeases: memorySettleLeases(),
  };
}

function serveDynamoDb(): void {
  const server = dynalite({ createTableMs: 0 });
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('dynalite has no port');
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${address.port}`,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    });
    const client = new DynamoDBClient({});
    await createTable(client, 'channels', ['channel', 'S']);
    await createTable(client, 'keys', ['key', 'S']);
    await createTable(client, 'snapshots', ['streamId', 'S'], ['part', 'S']);
    await createTable(client, 'entries', ['streamId', 'S'], ['slot', 'N']);
    await createTable(client, 'subscribers', ['pattern', 'S'], ['connection', 'S']);
    await createTable(client, 'cursors', ['channel', 'S'], ['shard', 'S']);
    await createTable(client, 'endpoints', ['kind', 'S'], ['id', 'S']);
    await createTable(client, 'deliveries', ['endpoint', 'S'], ['row', 'S']);
  });

  afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));
}

async function createTable(client: DynamoDBClient, name: string, ...keys: readonly [string, 'S' | 'N'][]) {
  await client.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: keys.map(([AttributeName, AttributeType]) => ({ AttributeName, AttributeType })),
      KeySchema: keys.map(([AttributeName], at) => ({ AttributeName, KeyType: at === 0 ? 'HASH' : 'RANGE' })),
    }),
  );
}

function inDynamoDb(client = patientClient()): Stores {
  const absent = new Set<string>();
  return {
    channels: channelsInDynamoDb(client, 'channels'),
    entries: entriesInDynamoDb(client, 'entries'),
    keys: keysInDynamoDb(client, 'keys'),
    snapshots: snapshotsInDynamoDb(client, 'snapshots'),
    connections: connectionsInDynamoDb(client, 'subscribers'),
    subscriptions: subscriptionsInDynamoDb(client, 'subscribers'),
    waits: waitsInDynamoDb(client, 'subscribers'),
    cursors: cursorsInDynamoDb(client, 'cursors'),
    lookup: hintLookupInDynamoDb(client, { SUBSCRIBERS_TABLE: 'subscribers', CURSORS_TABLE: 'cursors' }),
    quota: quotaInDynamoDb(client, 'subscribers', 'test', async (id) => !absent.has(id)),
    absent,
    endpoints: endpointsInDynamoDb(client, 'endpoints'),
    dispatchCursors: dispatchCursorsInDynamoDb(client, 'endpoints'),
    deliveries: deliveriesInDynamoDb(client, 'deliveries'),
    leases: endpointLeasesInDynamoDb(client, 'deliveries'),
    members: membersInDynamoDb(client, 'subscribers'),
    settleLeases: settleLeasesInDynamoDb(client, 'subscribers'),
  };
}

/** Returns a channel that is not in any store yet. */
export const fresh = (
  more: Partial<Pick<Channel, 'ttlSeconds' | 'expiresAt' | 'contentType' | 'streamKey'>> = {},
): Channel =>
  newChannel(
    { newId, retentionMs: 86_400_000 },
    {
      name: `channel-${newId()}`,
      contentType: 'application/json',
      ttlSeconds: undefined,
      expiresAt: undefined,
      ...more,
    },
    NOW,
  );

/** Returns a claim on it that has no condition. */
export const claim = (channel: Channel, more: Partial<Claim> = {}): Claim => ({
  channel: channel.name,
  id: 'publish',
  contentType: channel.contentType,
  streamKey: channel.streamKey,
  seq: undefined,
  close: false,
  producer: undefined,
  replaces: undefined,
  slots: 1,
  silentSince: NOW - 1,
  now: NOW,
  fresh: undefined,
  ...more,
});

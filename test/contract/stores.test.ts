/**
 * What the ports promise, held against the memory that the domain is tested with and against DynamoDB's API.
 * @module
 */
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import dynalite from 'dynalite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { channelsInDynamoDb } from '../../lambda/aws/channels-dynamodb.ts';
import { documentClient } from '../../lambda/aws/dynamodb.ts';
import { entriesInDynamoDb } from '../../lambda/aws/entries-dynamodb.ts';
import { type Channel, newChannel } from '../../lambda/hub/channel.ts';
import type { Entry } from '../../lambda/hub/entry.ts';
import type { ChannelStore, Claim, EntryStore } from '../../lambda/hub/ports.ts';
import { memoryLog } from '../support/memory-log.ts';

interface Stores {
  readonly channels: ChannelStore;
  readonly entries: EntryStore;
}

const NOW = Date.UTC(2026, 0, 1);
const server = dynalite({ createTableMs: 0 });
let ids = 0;
const newId = () => `id-${++ids}`;

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
  await createTable(client, 'entries', ['streamId', 'S'], ['slot', 'N']);
});

afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));

async function createTable(
  client: DynamoDBClient,
  name: string,
  ...keys: readonly ['channel' | 'streamId' | 'slot', 'S' | 'N'][]
) {
  await client.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: keys.map(([AttributeName, AttributeType]) => ({ AttributeName, AttributeType })),
      KeySchema: keys.map(([AttributeName], at) => ({ AttributeName, KeyType: at === 0 ? 'HASH' : 'RANGE' })),
    }),
  );
}

function inDynamoDb(): Stores {
  const client = documentClient();
  return { channels: channelsInDynamoDb(client, 'channels'), entries: entriesInDynamoDb(client, 'entries') };
}

describe.each([
  ['memory', () => memoryLog()],
  ['DynamoDB', inDynamoDb],
])('%s', (_, open: () => Stores) => {
  const fresh = (more: Partial<Pick<Channel, 'ttlSeconds' | 'expiresAt' | 'contentType'>> = {}): Channel =>
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
  const claim = (channel: Channel, more: Partial<Claim> = {}): Claim => ({
    channel: channel.name,
    contentType: channel.contentType,
    seq: undefined,
    now: NOW,
    fresh: undefined,
    ...more,
  });
  const entry = (slot: number, more: Partial<Entry> = {}): Entry => ({
    slot,
    messages: [`"message ${slot}"`],
    id: newId(),
    time: NOW,
    expiresAt: NOW + 1_000,
    ...more,
  });

  test('a channel is found as it was created, once', async () => {
    const { channels } = open();
    const channel = fresh({ ttlSeconds: 60, contentType: 'Text/Plain; charset=utf-8' });
    expect(await channels.get(channel.name)).toBeUndefined();
    expect(await channels.create(channel, NOW)).toBe(true);
    expect(await channels.get(channel.name)).toEqual(channel);
    expect(await channels.create({ ...channel, streamId: newId() }, NOW)).toBe(false);
    expect(await channels.get(channel.name)).toEqual(channel);
  });

  test('an expired channel makes room, an unexpired one does not', async () => {
    const { channels } = open();
    const channel = fresh({ ttlSeconds: 1 });
    await channels.create(channel, NOW);
    const next = { ...channel, streamId: newId() };
    expect(await channels.create(next, NOW + 999)).toBe(false);
    expect(await channels.create(next, NOW + 1_000)).toBe(true);
  });

  test('claims are granted one slot each, however many come at once', async () => {
    const { channels } = open();
    const channel = fresh();
    await channels.create(channel, NOW);
    const granted = await Promise.all(Array.from({ length: 50 }, () => channels.reserve(claim(channel))));
    expect(granted.map((one) => one?.next).sort((a = 0, b = 0) => a - b)).toEqual(
      granted.map((_one, at) => at + 1),
    );
    expect(granted[0]).toEqual({ ...channel, next: granted[0]?.next });
  });

  test('a claim that brings a channel makes it, and joins it when it is there', async () => {
    const { channels } = open();
    const channel = fresh();
    expect(await channels.reserve(claim(channel))).toBeUndefined();
    expect(await channels.reserve(claim(channel, { fresh: channel }))).toEqual({ ...channel, next: 1 });
    const other = { ...channel, streamId: newId() };
    expect(await channels.reserve(claim(channel, { fresh: other, now: NOW + 5 }))).toEqual({
      ...channel,
      next: 2,
      claimedAt: NOW + 5,
    });
  });

  test.each([
    ['another media type', { contentType: 'text/plain' }, false],
    ['the same with a parameter and in capitals', { contentType: 'Application/JSON; charset=utf-8' }, true],
    ['after its end', { now: NOW + 60_000 }, false],
    ['just before its end', { now: NOW + 59_999 }, true],
  ])('a claim with %s', async (_name, more, granted) => {
    const { channels } = open();
    const channel = fresh({ ttlSeconds: 60 });
    await channels.create(channel, NOW);
    expect((await channels.reserve(claim(channel, more))) !== undefined).toBe(granted);
    expect((await channels.get(channel.name))?.next).toBe(granted ? 1 : 0);
    expect((await channels.reserve(claim(channel, { ...more, fresh: channel }))) !== undefined).toBe(granted);
  });

  test('a sequence must rise by bytes', async () => {
    const { channels } = open();
    const channel = fresh();
    await channels.create(channel, NOW);
    const tries = ['09', '10', '10', '2', 'A', 'a', 'B', 'z', '~', 'zz'];
    const granted: string[] = [];
    for (const seq of tries) if (await channels.reserve(claim(channel, { seq }))) granted.push(seq);
    expect(granted).toEqual(['09', '10', '2', 'A', 'a', 'z', '~']);
    expect(await channels.reserve(claim(channel))).toBeDefined();
  });

  test('the idle time restarts for the same stream only', async () => {
    const { channels } = open();
    const channel = fresh({ ttlSeconds: 1 });
    await channels.create(channel, NOW);
    await channels.touch(channel, NOW + 5_000);
    expect((await channels.get(channel.name))?.aliveUntil).toBe(NOW + 5_000);
    await channels.touch({ ...channel, streamId: newId() }, NOW + 9_000);
    expect((await channels.get(channel.name))?.aliveUntil).toBe(NOW + 5_000);
  });

  test('a live channel is removed once, an expired one not at all', async () => {
    const { channels } = open();
    const channel = fresh({ ttlSeconds: 1 });
    await channels.create(channel, NOW);
    expect(await channels.remove(channel.name, NOW + 1_000)).toBe(false);
    expect(await channels.remove(channel.name, NOW)).toBe(true);
    expect(await channels.remove(channel.name, NOW)).toBe(false);
    expect(await channels.get(channel.name)).toBeUndefined();
  });

  test('a slot is taken once; its owner may find itself in it', async () => {
    const { entries } = open();
    const streamId = newId();
    const first = entry(0, { messages: [Buffer.from([0, 255, 128])] });
    expect(await entries.put(streamId, first)).toBe(true);
    expect(await entries.put(streamId, first)).toBe(true);
    expect(await entries.put(streamId, entry(0))).toBe(false);
    const { entries: found } = await entries.page(streamId, 0);
    expect(found.map(({ messages }) => Buffer.from(messages[0] ?? ''))).toEqual([first.messages[0]]);
  });

  test('entries come in slot order from a slot on, and from one stream only', async () => {
    const { entries } = open();
    const streamId = newId();
    for (const slot of [10, 2, 9, 1]) await entries.put(streamId, entry(slot));
    await entries.put(newId(), entry(3));
    const page = await entries.page(streamId, 2);
    expect([page.entries.map(({ slot }) => slot), page.more]).toEqual([[2, 9, 10], false]);
    expect((await entries.nearest(streamId, 9, 'below'))?.slot).toBe(2);
    expect((await entries.nearest(streamId, 9, 'from'))?.slot).toBe(9);
    expect(await entries.nearest(streamId, 1, 'below')).toBeUndefined();
    expect(await entries.nearest(streamId, 11, 'from')).toBeUndefined();
  });

  test('a page says when there is more', async () => {
    const { entries } = open();
    const streamId = newId();
    const large = [`"${'x'.repeat(100_000)}"`];
    for (let slot = 0; slot < 60; slot++) await entries.put(streamId, entry(slot, { messages: large }));
    const first = await entries.page(streamId, 0);
    expect(first.more).toBe(true);
    expect(first.entries.map(({ slot }) => slot)).toEqual(first.entries.map((_entry, at) => at));
    const rest = await entries.page(streamId, 55);
    expect([rest.entries.length, rest.more]).toEqual([5, false]);
  });
});

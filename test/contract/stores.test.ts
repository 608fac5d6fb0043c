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
import { keysInDynamoDb } from '../../lambda/aws/keys-dynamodb.ts';
import { type Channel, newChannel } from '../../lambda/hub/channel.ts';
import type { Entry } from '../../lambda/hub/entry.ts';
import type { ChannelStore, Claim, EntryStore, KeyStore } from '../../lambda/hub/ports.ts';
import { MARKS_PER_PRODUCER, slotMark } from '../../lambda/hub/producer.ts';
import { MAX_PRODUCERS } from '../../protocol/limits.ts';
import { memoryLog } from '../support/memory-log.ts';

interface Stores {
  readonly channels: ChannelStore;
  readonly entries: EntryStore;
  readonly keys: KeyStore;
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
  await createTable(client, 'keys', ['key', 'S']);
  await createTable(client, 'entries', ['streamId', 'S'], ['slot', 'N']);
});

afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));

async function createTable(
  client: DynamoDBClient,
  name: string,
  ...keys: readonly ['channel' | 'key' | 'streamId' | 'slot', 'S' | 'N'][]
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
  return {
    channels: channelsInDynamoDb(client, 'channels'),
    entries: entriesInDynamoDb(client, 'entries'),
    keys: keysInDynamoDb(client, 'keys'),
  };
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
    close: false,
    producer: undefined,
    replaces: undefined,
    slots: 1,
    silentSince: NOW - 1,
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
      granted.map((_one, at) => channel.origin + at + 1),
    );
    expect(granted[0]).toEqual({ ...channel, next: granted[0]?.next });
  });

  test('a claim that brings a channel makes it, and joins it when it is there', async () => {
    const { channels } = open();
    const channel = fresh();
    expect(await channels.reserve(claim(channel))).toBeUndefined();
    expect(await channels.reserve(claim(channel, { fresh: channel }))).toEqual({
      ...channel,
      next: channel.origin + 1,
    });
    const other = { ...channel, streamId: newId() };
    expect(await channels.reserve(claim(channel, { fresh: other, now: NOW + 5 }))).toEqual({
      ...channel,
      next: channel.origin + 2,
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
    expect((await channels.get(channel.name))?.next).toBe(channel.origin + (granted ? 1 : 0));
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

  describe('a producer', () => {
    const as = (seq: number, epoch = 0, id = 'p') => ({ producer: { id, epoch, seq } });

    async function opened() {
      const { channels } = open();
      const channel = fresh();
      await channels.create(channel, NOW);
      const tries = async (...claims: Partial<Claim>[]) => {
        const slots: (number | undefined)[] = [];
        for (const more of claims) {
          const granted = await channels.reserve(claim(channel, more));
          slots.push(granted && granted.next - 1 - channel.origin);
        }
        return slots;
      };
      return { channels, channel, tries };
    }

    test('is granted its publishes in a row, and each once', async () => {
      const { tries } = await opened();
      expect(await tries(as(1), as(0), as(0), as(2), as(1), as(1))).toEqual([
        undefined,
        0,
        undefined,
        undefined,
        1,
        undefined,
      ]);
    });

    test('begins a higher epoch at 0, and then not a lower one', async () => {
      const { tries } = await opened();
      expect(await tries(as(0), as(1, 1), as(0, 1), as(1, 0), as(0, 0), as(1, 1))).toEqual([
        0,
        undefined,
        1,
        undefined,
        undefined,
        2,
      ]);
    });

    test('is nobody else, whatever its name', async () => {
      const { tries, channels, channel } = await opened();
      const names = ['p', 'q', '__proto__', 'constructor', 'a.b', '#x', ':y', ' '];
      expect(await tries(...names.map((id) => as(0, 0, id)))).toEqual(names.map((_id, slot) => slot));
      expect(await tries(...names.map((id) => as(1, 0, id)))).toEqual(
        names.map((_id, slot) => slot + names.length),
      );
      const found = await channels.get(channel.name);
      expect(Object.keys(found?.producers ?? {})).toHaveLength(names.length * 5);
    });

    test('finds the slots of its last publishes, and may move the one it names', async () => {
      const { tries, channels, channel } = await opened();
      await tries(...Array.from({ length: 10 }, (_, seq) => as(seq)));
      const marks = (await channels.get(channel.name))?.producers ?? {};
      expect([2, 3, 9].map((seq) => (marks[slotMark('p', seq)] ?? 0) - channel.origin)).toEqual([2, 3, 9]);
      expect(
        await tries(
          { ...as(9), replaces: channel.origin + 8 },
          { ...as(9), replaces: channel.origin + 9 },
          { ...as(9), replaces: channel.origin + 9 },
        ),
      ).toEqual([undefined, 10, undefined]);
      expect(await tries(as(10))).toEqual([11]);
    });

    test('does not make its channel', async () => {
      const { channels } = open();
      const channel = fresh();
      expect(await channels.reserve(claim(channel, { ...as(0), fresh: channel }))).toBeUndefined();
    });

    test('is refused when there are too many, until some are forgotten', async () => {
      const { tries, channels, channel } = await opened();
      const filler = Array.from({ length: MAX_PRODUCERS * MARKS_PER_PRODUCER }, (_, seq) =>
        as(0, 0, `filler${seq}`),
      );
      const slots = await tries(...filler);
      const refused = slots.indexOf(undefined);
      expect(refused).toBeGreaterThan(MAX_PRODUCERS);
      expect(await tries(as(1, 0, 'filler0'))).not.toEqual([undefined]);
      const { producers } = (await channels.get(channel.name)) ?? channel;
      await channels.forgetProducers(
        channel,
        Object.keys(producers).filter((mark) => mark.endsWith(':filler0')),
      );
      expect(await tries(as(0, 0, 'new'))).not.toEqual([undefined]);
    });
  });

  test('a closed channel grants nothing more, and remembers who closed it', async () => {
    const { channels } = open();
    const channel = fresh();
    await channels.create(channel, NOW);
    const producer = { id: 'p', epoch: 0, seq: 0 };
    expect(await channels.reserve(claim(channel, { close: true, producer }))).toMatchObject({
      next: channel.origin + 1,
      closed: true,
    });
    expect(await channels.reserve(claim(channel))).toBeUndefined();
    expect(await channels.get(channel.name)).toMatchObject({ closed: true, closedBy: producer });
  });

  test('closing without a message fits any content type and claims nothing', async () => {
    const { channels } = open();
    const channel = fresh();
    await channels.create(channel, NOW);
    const closing = claim(channel, { contentType: undefined, slots: 0, close: true });
    expect(await channels.reserve(closing)).toMatchObject({
      next: channel.origin,
      closed: true,
      closedBy: undefined,
    });
  });

  test('a key is recorded once until it expires, and moved from where it is', async () => {
    const { keys } = open();
    const key = newId();
    const record = { fingerprint: 'f', streamId: 's', slot: 3 };
    expect(await keys.get(key, NOW)).toBeUndefined();
    expect(await keys.put(key, record, NOW, NOW + 10)).toBe(true);
    expect(await keys.put(key, { ...record, slot: 4 }, NOW + 9, NOW + 20)).toBe(false);
    expect(await keys.move(key, 4, 5)).toBe(false);
    expect(await keys.move(key, 3, 5)).toBe(true);
    expect(await keys.get(key, NOW + 9)).toMatchObject({ ...record, slot: 5 });
    expect(await keys.get(key, NOW + 10)).toBeUndefined();
    expect(await keys.put(key, record, NOW + 10, NOW + 20)).toBe(true);
  });

  test('the idle time restarts for the same stream only, and while it lasts', async () => {
    const { channels } = open();
    const channel = fresh({ ttlSeconds: 1 });
    await channels.create(channel, NOW);
    const end = async () => (await channels.get(channel.name))?.aliveUntil;
    await channels.touch(channel, NOW + 5_000, NOW + 999);
    expect(await end()).toBe(NOW + 5_000);
    await channels.touch({ ...channel, streamId: newId() }, NOW + 9_000, NOW + 999);
    await channels.touch(channel, NOW + 9_000, NOW + 5_000);
    expect(await end()).toBe(NOW + 5_000);
  });

  test('a silent channel grants nothing until an era begins, once', async () => {
    const { channels } = open();
    const channel = fresh();
    await channels.create(channel, NOW);
    await channels.reserve(claim(channel));
    const later = claim(channel, { now: NOW + 9, silentSince: NOW });
    expect(await channels.reserve(later)).toBeUndefined();
    await channels.beginEra({ ...channel, claimedAt: NOW - 1 }, NOW + 8, NOW + 88);
    expect(await channels.reserve(later)).toBeUndefined();
    await channels.beginEra(channel, NOW + 9, NOW + 99);
    const floor = channel.origin + 1;
    expect(await channels.reserve(later)).toMatchObject({
      floor,
      floorAt: NOW + 9,
      keptUntil: NOW + 99,
      next: floor + 1,
    });
  });

  test('a Stream-Seq remembers its slot, and moves from the one it names', async () => {
    const { channels } = open();
    const channel = fresh();
    await channels.create(channel, NOW);
    const seq = 'b';
    expect(await channels.reserve(claim(channel, { seq }))).toMatchObject({ lastSeqSlot: channel.origin });
    expect(await channels.reserve(claim(channel, { seq, replaces: channel.origin + 1 }))).toBeUndefined();
    expect(await channels.reserve(claim(channel, { seq: 'c', replaces: channel.origin }))).toBeUndefined();
    expect(await channels.reserve(claim(channel, { seq, replaces: channel.origin }))).toMatchObject({
      lastSeq: seq,
      lastSeqSlot: channel.origin + 1,
    });
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

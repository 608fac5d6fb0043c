/**
 * Ephemeral messages are posted at most once, to those who are connected (PROTOCOL.md §4.7).
 * @module
 */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  EPHEMERAL_FRESH_MS,
  type Ephemeral,
  type EphemeralPart,
  type EphemeralShard,
  ephemeralHandler,
} from '../../../../lambda/hub/ephemeral/post-ephemeral.ts';
import type { Connection, Posted } from '../../../../lambda/hub/push/push-ports.ts';
import { subscribe, unsubscribe } from '../../../../lambda/hub/push/subscribe.ts';
import { nameOfPolls } from '../../../../lambda/hub/waiting-names.ts';
import { MAX_EPHEMERAL_BYTES } from '../../../../protocol/limits.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';
import { type MemoryListeners, memoryListeners } from '../../../support/domain/memory-subscribers.ts';

const CHANNEL = 'game/7';

interface PostCall {
  readonly to: string;
  readonly frame: unknown;
  readonly by: number | undefined;
  readonly attempts: number | undefined;
}

let log: MemoryLog;
let listeners: MemoryListeners;
let calls: string[];
let posts: PostCall[];
let delivered: number;
let posted: (connection: string) => Posted;
let passedOn: { readonly shards: readonly EphemeralShard[]; readonly parts: readonly EphemeralPart[] }[];
let ids = 0;
beforeEach(() => {
  log = memoryLog();
  calls = [];
  listeners = memoryListeners(() => (moment) => {
    if (moment.startsWith('before ')) calls.push(moment.slice('before '.length));
  });
  posts = [];
  delivered = 0;
  posted = () => 'sent';
  passedOn = [];
});

/** Returns a process of the push. */
const newProcess = () =>
  ephemeralHandler({
    ...listeners,
    clock: log.clock,
    poster: {
      async post(to, text, by, attempts) {
        posts.push({ to, frame: JSON.parse(text), by, attempts });
        return posted(to);
      },
      close: async () => expect.unreachable(),
    },
    watch: { delivered: (count) => (delivered += count), lag: () => expect.unreachable() },
    async sendToShards(_channel, shards, parts) {
      passedOn.push({ shards, parts });
    },
  });

async function member(id: string, pattern: string, more: Partial<Connection> = {}): Promise<Connection> {
  const connection = {
    id,
    principal: undefined,
    capability: {},
    since: log.now,
    allowedUntil: undefined,
    until: log.now + 7_200_000,
    subscriptions: {},
    ...more,
  };
  await listeners.connections.add(connection, 10);
  await subscribe({ log, ...listeners, jobs: { send: async () => {} } }, connection, {
    pattern,
    from: 'now',
    isConflated: false,
  });
  const stored = await listeners.connections.get(id);
  calls.length = 0;
  return stored ?? connection;
}

const partOf = (...messages: unknown[]): EphemeralPart => ({
  id: `part-${++ids}`,
  at: log.now,
  messages: messages.map((message) => JSON.stringify(message)),
  receives: 1,
});
const to = (...parts: EphemeralPart[]): Ephemeral => ({ channel: CHANNEL, parts, shard: undefined });
const heard = () => posts.map(({ to, frame }) => [to, frame]);
const frame = (more: object) => ({ type: 'ephemeral', channel: CHANNEL, ...more });

describe('messages go to', () => {
  test('the members of each pattern that matches, and processes that hold streams, in one attempt each', async () => {
    await member('a', CHANNEL);
    await member('b', 'game/*');
    await member('c', '*');
    await member('other', 'game/8');
    await listeners.waits.show(CHANNEL, 'wake=', log.now);
    await newProcess()(to(partOf({ x: 1 }, { x: 2 })));
    const messages = [{ x: 1 }, { x: 2 }];
    expect(new Map(posts.map(({ to, frame }) => [to, frame]))).toEqual(
      new Map([
        ['a', frame({ messages })],
        ['b', frame({ pattern: 'game/*', messages })],
        ['c', frame({ pattern: '*', messages })],
        ['wake=', frame({ messages })],
      ]),
    );
    expect(posts).toHaveLength(4);
    for (const { by, attempts } of posts) expect([by, attempts]).toEqual([log.now + EPHEMERAL_FRESH_MS, 1]);
    expect(delivered).toBe(6);
  });

  test('nobody, with one look-up', async () => {
    await newProcess()(to(partOf(1)));
    expect([posts, calls]).toEqual([[], ['lookup.find']]);
  });

  test('a member that is behind in the log, and not to one whose token has ended', async () => {
    await member('behind', CHANNEL);
    await member('ended', CHANNEL, { allowedUntil: log.now + 1_000 });
    log.now += 1_000;
    await newProcess()(to(partOf(1)));
    expect(heard()).toEqual([['behind', frame({ messages: [1] })]]);
  });

  test('each process that holds streams, also those beyond the first row, and none that holds long polls', async () => {
    const all = Array.from({ length: 30 }, (_, at) => `wake-${at}=`);
    for (const one of all) await listeners.waits.show(CHANNEL, one, log.now);
    for (const one of all) await listeners.waits.show(CHANNEL, nameOfPolls(`poll-${one}`), log.now);
    await newProcess()(to(partOf(1)));
    expect(posts.map(({ to }) => to)).toEqual(all);
  });

  test('another process for each shard, if a pattern has several', async () => {
    await member('a', CHANNEL);
    await listeners.subscriptions.split(CHANNEL, 1);
    const part = partOf(1);
    const handle = newProcess();
    await handle(to(part));
    expect(posts).toEqual([]);
    const [sent] = passedOn;
    expect(sent?.shards.map(({ pattern, shard }) => [pattern, shard])).toEqual([
      [CHANNEL, 0],
      [CHANNEL, 1],
    ]);
    expect(sent?.parts).toEqual([part]);
    calls.length = 0;
    for (const shard of sent?.shards ?? []) await handle({ ...to(part), shard });
    expect(heard()).toEqual([['a', frame({ messages: [1] })]]);
    expect(calls).toEqual(['subscriptions.members', 'subscriptions.members']);
  });
});

describe('messages are posted at most once:', () => {
  beforeEach(async () => void (await member('a', CHANNEL)));

  test('those that were received before are dropped, by another process too', async () => {
    const part = partOf(1);
    await newProcess()(to({ ...part, receives: 2 }));
    expect([posts, calls]).toEqual([[], []]);
  });

  test('those that the queue delivers twice without counting it are dropped by the process that has posted them', async () => {
    const handle = newProcess();
    const [one, two] = [partOf(1), partOf(2)];
    await handle(to(one));
    await handle(to(one, two));
    await handle(to(two));
    expect(heard()).toEqual([
      ['a', frame({ messages: [1] })],
      ['a', frame({ messages: [2] })],
    ]);
  });

  test('those that have waited for more than five seconds are dropped', async () => {
    const [old, young] = [partOf('old'), { ...partOf('young'), at: log.now + 1 }];
    log.now += EPHEMERAL_FRESH_MS + 1;
    await newProcess()(to(old, young));
    expect(heard()).toEqual([['a', frame({ messages: ['young'] })]]);
    expect(posts[0]?.by).toBe(log.now);
  });

  test.each<Posted>(['busy', 'unsure'])('a post that is %s is not repeated', async (result) => {
    posted = () => result;
    const handle = newProcess();
    await handle(to(partOf(1)));
    expect([posts.length, delivered]).toEqual([1, 0]);
    posted = () => 'sent';
    await handle(to(partOf(2)));
    expect([heard().at(-1), delivered]).toEqual([['a', frame({ messages: [2] })], 1]);
  });

  test('also if one member fails for a defect', async () => {
    await member('b', CHANNEL);
    posted = (id) => {
      if (id === 'a') throw new Error('forbidden');
      return 'sent';
    };
    const handle = newProcess();
    const part = partOf(1);
    await expect(handle(to(part))).rejects.toThrow('forbidden');
    await handle(to({ ...part, receives: 2 }));
    expect(posts.map(({ to }) => to).toSorted()).toEqual(['a', 'b']);
  });
});

describe('a connection that is gone', () => {
  test('is removed with its subscriptions, and not posted to again', async () => {
    await member('a', CHANNEL);
    await member('b', CHANNEL);
    posted = (id) => (id === 'a' ? 'gone' : 'sent');
    const handle = newProcess();
    await handle(to(partOf(1)));
    expect([...listeners.connectionRows.keys()]).toEqual(['b']);
    expect(listeners.subscriptionRows().map(({ connection }) => connection)).toEqual(['b']);
    await handle(to(partOf(2)));
    expect(posts.filter(({ to }) => to === 'a')).toHaveLength(1);
  });

  test('of a waiting process is removed', async () => {
    await listeners.waits.show(CHANNEL, 'wake=', log.now);
    posted = () => 'gone';
    const handle = newProcess();
    await handle(to(partOf(1)));
    await handle(to(partOf(2)));
    expect(posts).toHaveLength(1);
  });
});

describe('members are remembered', () => {
  const reads = () => calls.filter((call) => call === 'subscriptions.members').length;

  test('until one joins or leaves, and for a minute at most', async () => {
    const one = await member('a', CHANNEL);
    const handle = newProcess();
    for (let n = 0; n < 3; n++) await handle(to(partOf(n)));
    expect(reads()).toBe(1);
    await member('b', CHANNEL);
    await handle(to(partOf('both')));
    expect(posts.slice(-2).map(({ to }) => to)).toEqual(['a', 'b']);
    await unsubscribe({ log, ...listeners }, one, CHANNEL);
    calls.length = 0;
    await handle(to(partOf('b only')));
    expect([posts.at(-1)?.to, posts.at(-2)?.to, reads()]).toEqual(['b', 'b', 1]);
    log.now += 60_000;
    await handle(to(partOf('later')));
    expect(reads()).toBe(2);
  });

  test('for all channels of a pattern together', async () => {
    await member('a', 'game/*');
    const handle = newProcess();
    for (const channel of ['game/1', 'game/2', 'game/3']) await handle({ ...to(partOf(1)), channel });
    expect([posts.length, reads()]).toEqual([3, 1]);
  });
});

describe('messages that come together', () => {
  test('share frames that API Gateway bills as one, and those of a publish stay together', async () => {
    await member('a', CHANNEL);
    const big = 'x'.repeat(MAX_EPHEMERAL_BYTES - 2);
    const half = 'y'.repeat(MAX_EPHEMERAL_BYTES / 2 - 3);
    await newProcess()(to(partOf(1), partOf(2, 3), partOf(big), partOf(half), partOf(half)));
    expect(posts.map(({ frame }) => Object(frame).messages)).toEqual([[1, 2, 3], [big], [half, half]]);
    expect(delivered).toBe(6);
  });

  test('are posted no later than the oldest of their frame may be', async () => {
    await member('a', CHANNEL);
    const old = partOf(1);
    log.now += 2_000;
    await newProcess()(to(partOf(2), old));
    expect(posts.map(({ by }) => by)).toEqual([old.at + EPHEMERAL_FRESH_MS]);
  });
});

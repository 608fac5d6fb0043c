/**
 * Pushes in step: the owner posts the entry of a hint without a look at the log, and never what the log does not have in that
 * place (PROTOCOL.md §12.4, docs/adr/0014-hints-with-entries.md).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { append } from '../../../../lambda/hub/log/append.ts';
import { remove } from '../../../../lambda/hub/log/lifecycle.ts';
import {
  ENTRY_FRESH_MS,
  type HintNews,
  rememberMembers,
  stepOf,
} from '../../../../lambda/hub/push/in-step.ts';
import { pushMemory } from '../../../../lambda/hub/push/push-memory.ts';
import type { Cursor, Subscriber } from '../../../../lambda/hub/push/push-ports.ts';
import { CHANNEL, publish, requestOf } from '../../../support/domain/json-log.ts';
import type { Client } from '../../../support/domain/push-client.ts';
import { leave, numbers, run, worldOf } from '../../../support/domain/push-trouble.ts';
import type { World } from '../../../support/domain/push-world.ts';

const PATTERN = 'chat/*';

/** Returns the calls of a push that reads nothing, in their order. */
const IN_STEP = ['lookup.find', 'cursors.take', 'poster.post', 'cursors.release'];

/** Runs the work, and returns the calls that pushes make meanwhile, without those for held requests. */
async function callsIn(w: World, work: () => Promise<unknown>): Promise<string[]> {
  const calls: string[] = [];
  w.onCall = (name) => void (name.startsWith('waits.') || calls.push(name));
  await work();
  await w.idle();
  w.onCall = () => {};
  return calls;
}

/** Runs the work in a world with one process and a client that has had some messages of the channel. */
async function inStep(
  pattern: string,
  work: (w: World, client: Client) => Promise<void>,
  processes = 1,
): Promise<void> {
  const w = worldOf({ processes });
  await run(w, async () => {
    // The slots of a channel begin with the milliseconds since then.
    await w.sleep(60_000);
    const client = await w.client();
    await w.subscribe(client, pattern, 'now');
    for (const n of ['first', 'second']) {
      await publish(w.log, n);
      await w.idle();
    }
    await work(w, client);
  });
}

/** Publishes without a hint. Returns the hint. */
async function withheld(w: World, ...messages: readonly unknown[]) {
  const sent = w.hints.length;
  w.lost = 1;
  await publish(w.log, ...messages);
  w.lost = 0;
  const hint = w.hints[sent];
  if (!hint?.entry) throw new Error('the publish sent no entry');
  return hint;
}

describe('a push in step', () => {
  test.each([CHANNEL, PATTERN])('to subscribers of %s reads nothing', async (pattern) => {
    await inStep(pattern, async (w, client) => {
      expect(await callsIn(w, async () => await publish(w.log, 'third', 3))).toEqual(IN_STEP);
      expect(await callsIn(w, async () => await publish(w.log, 'fourth'))).toEqual(IN_STEP);
      expect(client.taken.get(CHANNEL)?.slice(-3)).toEqual(['third', 3, 'fourth']);
      expect(client.breaks).toEqual([]);
    });
  });

  test('posts once, however often its hint comes', async () => {
    await inStep(CHANNEL, async (w, client) => {
      const hint = await withheld(w, 'third');
      for (const delay of [0, 0, 10, 2_000, 60_000]) w.hint(hint, delay);
      await w.idle();
      expect(client.frames.map(({ messages }) => messages)).toEqual([['first'], ['second'], ['third']]);
    });
  });

  test('packs an entry into as many frames as it takes, and another pass reads what does not fit', async () => {
    await inStep(CHANNEL, async (w, client) => {
      const messages = numbers(0, 12).map((n) => [n, 'x'.repeat(17_000)]);
      await publish(w.log, ...messages);
      await w.idle();
      expect(client.taken.get(CHANNEL)?.slice(2)).toEqual(messages);
      expect([client.frames.length, client.breaks]).toEqual([14, []]);
    });
  });

  test('is seen at once by a subscriber that joins, and no more by one that leaves', async () => {
    await inStep(PATTERN, async (w, client) => {
      const joins = await w.client();
      await w.subscribe(joins, PATTERN, 'now');
      await publish(w.log, 'third');
      await w.idle();
      await leave(w, client, PATTERN);
      await publish(w.log, 'fourth');
      await w.idle();
      expect(joins.taken.get(CHANNEL)).toEqual(['third', 'fourth']);
      expect(client.taken.get(CHANNEL)).toEqual(['first', 'second', 'third']);
    });
  });

  test('does not go to a subscriber whose token has ended', async () => {
    const w = worldOf({ processes: 1 });
    await run(w, async () => {
      const brief = await w.client({ allowedUntil: w.log.now + 5_000 });
      const long = await w.client();
      for (const client of [brief, long]) await w.subscribe(client, CHANNEL, 'now');
      for (const n of ['first', 'second']) {
        await publish(w.log, n);
        await w.idle();
      }
      await w.sleep(5_000);
      await publish(w.log, 'late');
      await w.idle();
      expect(brief.taken.get(CHANNEL)).toEqual(['first', 'second']);
      expect(brief.frames.at(-1)).toMatchObject({ type: 'error', code: 'unauthorized' });
      expect(long.taken.get(CHANNEL)).toEqual(['first', 'second', 'late']);
    });
  });

  test('does not pass by a subscriber that could not take a frame before', async () => {
    await inStep(CHANNEL, async (w, client) => {
      const slow = await w.client();
      await w.subscribe(slow, CHANNEL, 'now');
      slow.posted = () => 'busy';
      await publish(w.log, 'third');
      await w.sleep(200);
      slow.posted = undefined;
      await publish(w.log, 'fourth');
      await w.idle(3_600_000);
      for (const { taken, breaks } of [client, slow])
        expect([taken.get(CHANNEL)?.slice(-2), breaks]).toEqual([['third', 'fourth'], []]);
    });
  });

  test('goes to a subscriber of a pattern that could not take a frame of another channel', async () => {
    await inStep(PATTERN, async (w, client) => {
      const slow = await w.client();
      await w.subscribe(slow, PATTERN, 'now');
      slow.posted = () => 'busy';
      for (const n of ['one', 'two']) {
        await append(w.log, requestOf([n], { channel: 'chat/other' }));
        await w.sleep(200);
      }
      slow.posted = undefined;
      await publish(w.log, 'third');
      await w.sleep(200);
      for (const { taken } of [client, slow]) expect(taken.get(CHANNEL)?.at(-1)).toBe('third');
    });
  });
});

describe('the log is read', () => {
  const reads = (calls: readonly string[]) => calls.filter((name) => name === 'entries.page').length;

  test('for a hint that overtakes another, and then both are sent in order', async () => {
    await inStep(CHANNEL, async (w, client) => {
      const third = await withheld(w, 'third');
      const fourth = await withheld(w, 'fourth');
      const calls = await callsIn(w, async () => {
        w.hint(fourth, 0);
        w.hint(third, 100);
      });
      expect(reads(calls)).toBe(1);
      expect([client.taken.get(CHANNEL), client.breaks]).toEqual([
        ['first', 'second', 'third', 'fourth'],
        [],
      ]);
    });
  });

  test('for a hint without its entry, and for one that says that the channel is closed', async () => {
    await inStep(CHANNEL, async (w, client) => {
      const third = await withheld(w, 'third');
      expect(reads(await callsIn(w, async () => w.hint({ ...third, entry: undefined }, 0)))).toBe(1);
      expect(
        reads(await callsIn(w, async () => await append(w.log, requestOf(['last'], { close: true })))),
      ).toBe(1);
      expect(client.frames.at(-1)).toMatchObject({ messages: ['last'], closed: true });
    });
  });

  test('for an entry that is older than some seconds', async () => {
    for (const [age, count] of [
      [ENTRY_FRESH_MS - 1_000, 0],
      [ENTRY_FRESH_MS + 1, 1],
    ] as const) {
      await inStep(CHANNEL, async (w, client) => {
        const third = await withheld(w, 'third');
        expect(reads(await callsIn(w, async () => w.hint(third, age)))).toBe(count);
        expect(client.taken.get(CHANNEL)).toEqual(['first', 'second', 'third']);
      });
    }
  });

  test('by a process that does not remember the members, and by each after a minute', async () => {
    await inStep(CHANNEL, async (w) => {
      const count = async () => reads(await callsIn(w, async () => await publish(w.log, 'more')));
      expect(await count()).toBe(0);
      await w.sleep(60_000);
      expect([await count(), await count()]).toEqual([1, 0]);
    });
  });

  test('after a gap, so that what stands beyond it is not left', async () => {
    await inStep(CHANNEL, async (w, client) => {
      const slow = { ...w.log, clock: () => w.log.now };
      const done = append(
        {
          ...slow,
          entries: {
            ...w.log.entries,
            async put(streamId, entry) {
              await w.sleep(500);
              return await w.log.entries.put(streamId, entry);
            },
          },
        },
        requestOf(['slow']),
      );
      await w.sleep(100);
      await publish(w.log, 'beyond');
      await w.sleep(100);
      await done;
      await w.sleep(200);
      expect(client.taken.get(CHANNEL)).toEqual(['first', 'second', 'slow', 'beyond']);
    });
  });
});

describe('a channel that is deleted between hint and push', () => {
  test('shows its last message only while that is some seconds old', async () => {
    for (const [age, last] of [
      [1_000, 'third'],
      [ENTRY_FRESH_MS + 1, 'second'],
    ] as const) {
      await inStep(CHANNEL, async (w, client) => {
        const third = await withheld(w, 'third');
        await remove(w.log, CHANNEL);
        w.hint(third, age);
        await w.idle();
        expect(client.taken.get(CHANNEL)?.at(-1), `${age} ms`).toBe(last);
      });
    }
  });

  test.each([CHANNEL, PATTERN])(
    'and made again: no message of its former life comes after one of the new (%s)',
    async (pattern) => {
      for (const isFirst of [true, false]) {
        await inStep(pattern, async (w, client) => {
          w.mayJump = (_channel, last, { from }) => from > last;
          const old = await withheld(w, 'old');
          await remove(w.log, CHANNEL);
          const made = await withheld(w, 'new');
          w.hint(old, isFirst ? 0 : 1_000);
          w.hint(made, isFirst ? 1_000 : 0);
          await w.idle();
          const more = await withheld(w, 'more');
          for (const hint of [old, more, old, made]) w.hint(hint, 0);
          await w.idle();
          const expected = ['first', 'second', ...(isFirst ? ['old'] : []), 'new', 'more'];
          expect(client.taken.get(CHANNEL), `old hint first: ${isFirst}`).toEqual(expected);
        });
      }
    },
  );
});

test('every doubt about the cursor or the members makes the owner read', () => {
  const now = 1_000_000;
  const member: Subscriber = {
    id: 'a',
    connection: 'a',
    since: 0,
    until: now + 1,
    allowedUntil: undefined,
    joins: 0,
    ownCursors: {},
  };
  const shard = { channel: CHANNEL, pattern: PATTERN, shard: 0 };
  const entry = { streamId: 's', slot: 5, time: now, contentType: 'application/json', messages: ['1'] };
  const news: HintNews = { entry, isClosing: false, version: 'v' };
  const step = (
    more: {
      readonly news?: Partial<HintNews>;
      readonly cursor?: Partial<Cursor>;
      readonly member?: Partial<Subscriber>;
      readonly isTakeover?: boolean;
      readonly pattern?: string;
    } = {},
  ) => {
    const memory = pushMemory<Subscriber>();
    const roster = rememberMembers(memory, shard, [{ ...member, ...more.member }], 'v', now);
    const cursor: Cursor = {
      delivered: { entry: 5, index: 0 },
      at: now,
      isClosed: false,
      lookAt: 0,
      asks: 0,
      isUnclean: false,
      term: 1,
      fence: 0,
      streamId: 's',
      roster,
      ...more.cursor,
    };
    const log = { clock: () => now };
    const owned = {
      shard: { ...shard, pattern: more.pattern ?? PATTERN },
      cursor,
      isTakeover: more.isTakeover ?? false,
    };
    return stepOf({ log, memory }, { ...news, ...more.news }, owned) !== undefined;
  };
  expect(step()).toBe(true);
  const doubts: Parameters<typeof step>[0][] = [
    { news: { entry: undefined } },
    { news: { entry: { ...entry, streamId: 'other' } } },
    { news: { entry: { ...entry, slot: 4 } } },
    { news: { entry: { ...entry, time: now - ENTRY_FRESH_MS - 1 } } },
    { news: { isClosing: true } },
    { news: { version: undefined } },
    { news: { version: 'other' } },
    { cursor: { delivered: undefined } },
    { cursor: { delivered: { entry: 5, index: 1 } } },
    { cursor: { streamId: undefined } },
    { cursor: { isUnclean: true } },
    { cursor: { isClosed: true } },
    { cursor: { roster: 0 } },
    { cursor: { roster: 1 } },
    { cursor: { at: -1 } },
    { member: { until: now } },
    { member: { allowedUntil: now } },
    { isTakeover: true },
    { pattern: '*' },
  ];
  for (const doubt of doubts) expect(step(doubt), JSON.stringify(doubt)).toBe(false);
});

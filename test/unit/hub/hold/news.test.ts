/**
 * News with entries: a held request is answered from them as from the log, or it reads (PROTOCOL.md §5.1, §11), in virtual time.
 * @module
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { follow } from '../../../../lambda/hub/hold/follow-channels.ts';
import type { HeldBatch } from '../../../../lambda/hub/hold/held-read.ts';
import { type News, newsText, parseNews } from '../../../../lambda/hub/hold/news.ts';
import { append } from '../../../../lambda/hub/log/append.ts';
import { create, remove } from '../../../../lambda/hub/log/lifecycle.ts';
import type { From, LogStart } from '../../../../lambda/hub/log/read-log.ts';
import { never, options } from '../../../support/domain/hold-world.ts';
import { CHANNEL, codeOf, publish, readFrom, requestOf, values } from '../../../support/domain/json-log.ts';
import { seededRandom } from '../../../support/domain/random.ts';
import { poll, type WakeWorld, wakeWorld } from '../../../support/domain/wake-world.ts';
import { share } from '../../../support/thorough.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);

/** Counts the calls to the stores of channels and entries from now on. */
function countReads(w: WakeWorld) {
  const reads = { of: 0 };
  w.log.hook = (moment) => {
    if (moment === 'before channels.get' || moment === 'before entries.page') reads.of++;
  };
  return reads;
}

/** A channel with one message, and a process that is shown as waiting on it. */
async function shownWorld(): Promise<WakeWorld & { readonly end: LogStart }> {
  const w = wakeWorld();
  await publish(w.log, 'first');
  const { result } = await w.time.until(poll(w, 'now', 10));
  return Object.assign(w, { end: result.next });
}

/** Begins a long poll that waits, and returns its answer and the reads after the wait began. */
async function waitingPoll(w: WakeWorld, from: From, during: () => Promise<unknown>) {
  const polling = poll(w, from);
  await w.time.until(w.time.sleep(10, never));
  const reads = countReads(w);
  const [batch] = await w.time.until(Promise.all([polling, during()]));
  return { batch, reads: reads.of };
}

describe('a request that waits for the entry in the news', () => {
  test('is answered as by a read, and reads nothing', async () => {
    const w = await shownWorld();
    const { batch, reads } = await waitingPoll(w, w.end, () => publish(w.log, { a: 1 }, 'two'));
    expect(reads).toBe(0);
    expect(batch.result).toEqual(await readFrom(w.log, w.end));
    expect(batch.channel).toMatchObject({ name: CHANNEL, contentType: 'application/json', closed: false });
    expect(batch.channel).toEqual(await w.log.channels.get(CHANNEL));
  });

  test('gets all entries that were heard at once', async () => {
    const w = await shownWorld();
    const { batch, reads } = await waitingPoll(w, w.end, () =>
      Promise.all([publish(w.log, 1), publish(w.log, 2), publish(w.log, 3)]),
    );
    expect([values(batch.result), reads]).toEqual([[1, 2, 3], 0]);
  });

  test('follows a channel as a stream without a read, until it has been silent for five seconds', async () => {
    const w = await shownWorld();
    const seen: unknown[] = [];
    const reads = countReads(w);
    const reading = (async () => {
      for await (const { result } of follow(w.hold, CHANNEL, w.end, options)) {
        seen.push(...values(result));
        if (seen.length === 20) return;
      }
    })();
    const publishing = async () => {
      for (let n = 0; n < 20; n++) {
        await w.time.sleep(1_000, never);
        await publish(w.log, n);
      }
    };
    await w.time.until(Promise.all([reading, publishing()]));
    expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => n));
    // The first read finds the end of the channel by its item alone.
    expect(reads.of).toBe(1);
  });

  test('a reader that takes its time gets what it missed, from the news or from the log', async () => {
    for (const missed of [3, 100]) {
      const w = await shownWorld();
      const batches = follow(w.hold, CHANNEL, w.end, options);
      await w.time.until(batches.next());
      await w.time.until(publish(w.log, 0));
      const got = values(
        (await w.time.until(batches.next())).value?.result ?? expect.fail('the stream ended'),
      );
      const reads = countReads(w);
      for (let n = 1; n <= missed; n++) await w.time.until(publish(w.log, n));
      await w.time.until(w.time.sleep(100, never));
      while (got.length <= missed) {
        const { value } = await w.time.until(batches.next());
        got.push(...values(value?.result ?? expect.fail('the stream ended')));
      }
      expect(got).toEqual(Array.from({ length: missed + 1 }, (_, n) => n));
      expect(reads.of > 0).toBe(missed === 100);
      await batches.return(undefined);
    }
  });
});

describe('the log is read, and not the news,', () => {
  const changed: readonly [string, (news: News, w: WakeWorld) => News | undefined][] = [
    ['without an entry', (news) => ({ ...news, entry: undefined })],
    ['of another stream', (news) => news.entry && { ...news, entry: { ...news.entry, streamId: 'other' } }],
    ['that says that the channel is closed', (news) => ({ ...news, isClosing: true })],
    [
      'of a later slot',
      (news) => news.entry && { ...news, next: news.next + 1, entry: { ...news.entry, slot: news.next } },
    ],
    [
      'of an entry that is more than five seconds old',
      (news, { log }) => news.entry && { ...news, entry: { ...news.entry, time: log.now - 5_001 } },
    ],
  ];
  test.each(changed)('for news %s', async (_name, change) => {
    const w = await shownWorld();
    w.altered = (news) => change(news, w) ?? expect.fail('there is no entry');
    const { batch, reads } = await waitingPoll(w, w.end, () => publish(w.log, 'news'));
    expect([values(batch.result), batch.result.closed, reads]).toEqual([['news'], false, 2]);
  });

  test('for the second of two entries that comes first', async () => {
    const w = await shownWorld();
    const delays = [50, 20];
    w.delay = () => delays.shift();
    const { batch, reads } = await waitingPoll(w, w.end, async () => {
      await publish(w.log, 1);
      await publish(w.log, 2);
    });
    expect([values(batch.result), reads]).toEqual([[1, 2], 2]);
  });

  test('while a slot was claimed after the one in the news, and may have been acknowledged', async () => {
    const w = await shownWorld();
    // The first publish is slow, so the second one writes first. Only the news of the first one arrives.
    let puts = 0;
    w.log.hook = async (moment) => {
      if (moment === 'before entries.put' && puts++ === 0) await w.time.sleep(40, never);
    };
    const delays = [undefined, 0];
    w.delay = () => delays.shift();
    const publishing = Promise.all([publish(w.log, 1), w.later(1, 2)]);
    await w.time.until(w.time.sleep(5, never));
    const [batch] = await w.time.until(Promise.all([poll(w, w.end), publishing]));
    expect(values(batch.result)).toEqual([1, 2]);
  });

  test('by a request that begins after the news: another publish may have been answered before', async () => {
    const w = await shownWorld();
    await w.time.until(publish(w.log, 1));
    w.delay = () => undefined;
    await publish(w.log, 2);
    await w.time.until(w.time.sleep(50, never));
    expect(values((await w.time.until(poll(w, w.end))).result)).toEqual([1, 2]);
  });

  test('while the push is later and later: a stream is not', async () => {
    const w = await shownWorld();
    let late = 0;
    w.delay = () => (late += 1_500);
    const lags: number[] = [];
    const reading = (async () => {
      for await (const { result } of follow(w.hold, CHANNEL, w.end, { ...options, lifetimeMs: 200_000 })) {
        lags.push(...result.entries.map(({ time }) => w.log.now - time));
        if (lags.length === 60) return;
      }
    })();
    const publishing = async () => {
      for (let n = 0; n < 60; n++) await w.later(2_000, n);
    };
    await w.time.until(Promise.all([reading, publishing()]));
    expect(Math.max(...lags)).toBeLessThanOrEqual(5_000);
  });

  test('of a channel with a TTL, which lives on by reads', async () => {
    const w = wakeWorld();
    const about = { contentType: 'application/json', ttlSeconds: 60, expiresAt: undefined, close: false };
    await create(w.log, { channel: CHANNEL, ...about, body: new Uint8Array() });
    const { result } = await w.time.until(poll(w, 'now', 10));
    const { batch, reads } = await waitingPoll(w, result.next, () => publish(w.log, 1));
    expect([values(batch.result), reads]).toEqual([[1], 2]);
  });

  test('when the channel was deleted and made again: its reader is told', async () => {
    const w = await shownWorld();
    const polling = codeOf(poll(w, w.end));
    await w.time.until(w.time.sleep(10, never));
    await remove(w.log, CHANNEL);
    const [code] = await w.time.until(Promise.all([polling, publish(w.log, 'of the new one')]));
    expect(code).toBe('offset_gone');
  });
});

test('news that is old or doubled wakes nobody', async () => {
  const w = await shownWorld();
  w.isDoubled = () => true;
  await w.time.until(publish(w.log, 1));
  await w.time.until(w.time.sleep(100, never));
  const old = [...w.heard];
  expect(old.length).toBe(2);
  const polling = poll(w, 'now', 4_000);
  await w.time.until(w.time.sleep(10, never));
  for (const news of old) w.tell(news);
  const counted = countReads(w);
  expect((await w.time.until(polling)).result.messages).toEqual([]);
  // The read at the end of the poll.
  expect(counted.of).toBe(1);
});

test('news of a channel that was deleted does not keep its readers busy', async () => {
  const w = await shownWorld();
  const { batch } = await waitingPoll(w, w.end, () => publish(w.log, 1));
  expect(w.heard.length).toBe(1);
  await remove(w.log, CHANNEL);
  const reads = countReads(w);
  expect((await w.time.until(poll(w, 'now'))).channel.streamId).not.toBe(batch.channel.streamId);
  expect(reads.of).toBeLessThan(10);
});

describe('as text', () => {
  const messages = fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.uint8Array()), {
    minLength: 1,
    maxLength: 5,
  });

  test('news is the same after its way', () => {
    fc.assert(
      fc.property(messages, fc.nat(), fc.boolean(), (all, slot, isClosing) => {
        const entry = { streamId: 's', slot, time: 12, messages: all };
        const news = { channel: 'a/b', next: slot + 1, isClosing, entry };
        expect(parseNews(JSON.parse(newsText(news)))).toEqual(news);
      }),
    );
  });

  test('it carries no entry that needs more than one billed frame', () => {
    const newsOf = (message: string): News => ({
      channel: 'c',
      next: 2,
      isClosing: false,
      entry: { streamId: 's', slot: 1, time: 1, messages: [message] },
    });
    const sizes = [32_600, 32_760, 40_000, 200_000].map((length) => newsText(newsOf('x'.repeat(length))));
    expect(sizes.map((text) => parseNews(JSON.parse(text))?.entry !== undefined)).toEqual([
      true,
      false,
      false,
      false,
    ]);
    // Characters are counted as bytes.
    expect(newsText(newsOf('ü'.repeat(20_000))).length).toBeLessThan(100);
  });

  test.each([
    [{ type: 'messages', channel: 'c', next: 2 }],
    [{ type: 'news', next: 2 }],
    [{ type: 'news', channel: 'c', next: '2' }],
  ])('%j is no news', (frame) => {
    expect(parseNews(frame)).toBeUndefined();
  });

  test.each([[[]], [[1]], [['a', { base64: 1 }]], [[null]]])(
    'messages %j are not understood, and have to be read',
    (all) => {
      const frame = { type: 'news', channel: 'c', next: 2, streamId: 's', time: 1, messages: all };
      expect(parseNews(frame)).toEqual({ channel: 'c', next: 2, isClosing: false, entry: undefined });
    },
  );
});

/** Checks that a batch has what the log has in its slots, and nothing else. */
function expectAsInLog(w: WakeWorld, { channel, result }: HeldBatch): void {
  const slots = w.log.slots(channel.streamId);
  for (let slot = result.from.entry; slot < result.next.entry; slot++) {
    const entry = result.entries.find((one) => one.slot === slot);
    expect(entry?.messages, `seed ${SEED}`).toEqual(slots.get(slot)?.messages);
  }
}

test('in random schedules of news that is lost, doubled, late, out of order and of former channels, nothing is lost, doubled or out of order', async () => {
  const random = seededRandom(SEED);
  let fromNews = 0;
  for (let at = 0; at < share(1_000); at++) {
    const w = wakeWorld();
    w.delay = () => (random() < 0.2 ? undefined : Math.floor(random() ** 3 * 4_000));
    w.isDoubled = () => random() < 0.3;
    w.altered = (news) => (random() < 0.1 ? { ...news, entry: undefined } : news);
    let reads = 0;
    w.log.hook = async (moment) => {
      if (moment === 'before entries.page') reads++;
      await w.time.sleep(Math.floor(random() * 20), never);
    };
    // News of a former channel of this name.
    await w.time.until(
      Promise.all([poll(w, 'now', 1_000), w.time.sleep(300, never).then(() => publish(w.log, 'old'))]),
    );
    await w.time.until(remove(w.log, CHANNEL));
    let isOver = false;
    const repeating = async () => {
      while (!isOver) {
        await w.time.sleep(random() * 1_000, never);
        const news = w.heard[Math.floor(random() * w.heard.length)];
        if (news) w.tell(news);
      }
    };
    const publishing = async () => {
      const all: Promise<unknown>[] = [];
      for (let n = 0; n < 10; n++) {
        await w.time.sleep(random() < 0.4 ? 0 : random() * 2_000, never);
        w.connection = random() < 0.1 ? undefined : `wake-${Math.floor(random() * 1.2)}=`;
        // Most wait for each other, as those of one publisher do. Two at once have either order.
        const one = publish(w.log, n);
        all.push(one);
        if (random() < 0.8) await one;
      }
      await Promise.all(all);
      await w.time.sleep(random() * 500, never);
      await append(w.log, requestOf([], { close: true }));
    };
    const polling = async () => {
      const got: unknown[] = [];
      let from: From = 'beginning';
      for (;;) {
        const before = reads;
        const batch = await poll(w, from, 2_000 + random() * 20_000);
        expectAsInLog(w, batch);
        if (batch.result.messages.length > 0 && reads === before) fromNews++;
        got.push(...values(batch.result));
        from = batch.result.next;
        if (batch.result.closed) return got;
      }
    };
    const following = async () => {
      const got: unknown[] = [];
      let from: From = 'beginning';
      for (;;) {
        for await (const batch of follow(w.hold, CHANNEL, from, { ...options, lifetimeMs: 10_000 })) {
          expectAsInLog(w, batch);
          got.push(...values(batch.result));
          from = batch.result.next;
          if (batch.result.closed) return got;
          if (random() < 0.1) await w.time.sleep(random() * 3_000, never);
        }
      }
    };
    const reading = Promise.all([polling(), following()]).finally(() => {
      isOver = true;
    });
    const [[polled, followed]] = await w.time.until(Promise.all([reading, publishing(), repeating()]));
    expect(polled.toSorted(), `seed ${SEED}`).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(polled, `seed ${SEED}`).toEqual(values(await w.time.until(readFrom(w.log, 'beginning'))));
    expect(followed, `seed ${SEED}`).toEqual(polled);
    expect(w.defects).toEqual([]);
  }
  expect(fromNews).toBeGreaterThan(10);
});

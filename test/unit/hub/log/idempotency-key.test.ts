/**
 * PROTOCOL.md §4.3 and §4.4: a publish that is retried is in the log once, wherever an attempt crashed.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { type AppendRequest, append } from '../../../../lambda/hub/log/append.ts';
import { appendOnce } from '../../../../lambda/hub/log/idempotency-key.ts';
import { GAP_GRACE_MS, IDEMPOTENCY_KEPT_MS, PRODUCER_WINDOW } from '../../../../protocol/limits.ts';
import { codeOf, publish, readFrom, requestOf, values } from '../../../support/domain/json-log.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';

const producer = (seq: number, epoch = 0) => ({ id: 'p', epoch, seq });
const send = (log: MemoryLog, message: unknown, seq: number, more: Partial<AppendRequest> = {}) =>
  append(log, requestOf([message], { producer: producer(seq), ...more }));
const sendOnce = (log: MemoryLog, message: unknown, key: string, more: Partial<AppendRequest> = {}) =>
  appendOnce(log, requestOf([message], more), { key, fingerprint: JSON.stringify(message) });

const all = async (log: MemoryLog) => values(await readFrom(log, 'beginning'));

/** The ways to publish so that a retry is safe. */
const WAYS = {
  producer: (log: MemoryLog, message: unknown, n: number) => send(log, message, n),
  key: (log: MemoryLog, message: unknown, n: number) => sendOnce(log, message, `key-${n}`),
};

describe.each(Object.entries(WAYS))('by %s', (way, publishOnce) => {
  /** The moments of one publish. It can crash at each. */
  async function momentsOf(log: MemoryLog): Promise<string[]> {
    const moments: string[] = [];
    log.hook = (moment) => void moments.push(moment);
    await publishOnce(log, 'probe', 0);
    return moments;
  }

  async function crashedAt(at: number): Promise<MemoryLog> {
    const log = memoryLog();
    await publish(log, 'before');
    let moment = 0;
    log.hook = () => {
      if (moment++ === at) throw new Error('crash');
    };
    await expect(publishOnce(log, 'message', 0)).rejects.toThrow('crash');
    log.hook = () => {};
    return log;
  }

  async function crashPoints(): Promise<number[]> {
    const log = memoryLog();
    await publish(log, 'before');
    const moments = await momentsOf(log);
    expect(moments.length).toBeGreaterThanOrEqual(4);
    return moments.map((_moment, at) => at);
  }

  test('a crash at any await, then a retry: the message is in the log once, in its own slot if that was claimed', async () => {
    for (const at of await crashPoints()) {
      const log = await crashedAt(at);
      await publishOnce(log, 'message', 0);
      await publishOnce(log, 'message', 0);
      await publish(log, 'after');
      log.now += GAP_GRACE_MS + 1;
      await publish(log, 'last');
      expect(await all(log), `crash at ${at}`).toEqual(['before', 'message', 'after', 'last']);
    }
  });

  test('the same if readers sealed the slot before the retry', async () => {
    for (const at of await crashPoints()) {
      const log = await crashedAt(at);
      await publish(log, 'other');
      log.now += GAP_GRACE_MS + 1;
      const seen = await all(log);
      await publishOnce(log, 'message', 0);
      await publishOnce(log, 'message', 0);
      const stored = seen.includes('message');
      expect(await all(log), `crash at ${at}`).toEqual(
        stored ? ['before', 'message', 'other'] : ['before', 'other', 'message'],
      );
    }
  });

  test('retries that run at the same time: the message is in the log once', async () => {
    for (const at of await crashPoints()) {
      const log = await crashedAt(at);
      await publish(log, 'other');
      log.now += GAP_GRACE_MS + 1;
      await all(log);
      const codes = await Promise.all([1, 2, 3].map(() => codeOf(publishOnce(log, 'message', 0))));
      expect(codes).toContain('done');
      expect(codes.every((code) => code === 'done' || code === 'unavailable')).toBe(true);
      log.now += GAP_GRACE_MS + 1;
      await publish(log, 'last');
      expect(
        (await all(log)).filter((message) => message === 'message'),
        `crash at ${at}`,
      ).toHaveLength(1);
    }
  });

  test('a repetition gets the offset of the first attempt', async () => {
    const log = memoryLog();
    const first = await publishOnce(log, 'message', 0);
    await publish(log, 'after');
    expect(await publishOnce(log, 'message', 0)).toMatchObject({
      nextOffset: first.nextOffset,
      count: 0,
    });
  });

  test('a retry after all earlier entries have left the log is written', async () => {
    for (const at of await crashPoints()) {
      const log = memoryLog();
      await publish(log, 'before');
      log.now += log.retentionMs - 70_000;
      let moment = 0;
      log.hook = () => {
        if (moment++ === at) throw new Error('crash');
      };
      await expect(publishOnce(log, 'message', 0)).rejects.toThrow('crash');
      log.hook = () => {};
      log.now += 80_000;
      await publishOnce(log, 'message', 0);
      expect(await all(log), `crash at ${at}`).toEqual(['message']);
    }
  });

  test('a retry of the closing publish, after a crash at any await: the message is in the log, and the channel is closed', async () => {
    for (const at of await crashPoints()) {
      const log = memoryLog();
      await publish(log, 'before');
      const closing = () =>
        way === 'key' ? sendOnce(log, 'last', 'k', { close: true }) : send(log, 'last', 0, { close: true });
      let moment = 0;
      log.hook = () => {
        if (moment++ === at) throw new Error('crash');
      };
      await expect(closing()).rejects.toThrow('crash');
      log.hook = () => {};
      expect(await closing()).toMatchObject({ closed: true });
      expect(await all(log), `crash at ${at}`).toEqual(['before', 'last']);
    }
  });

  test('a retry does not bring back an entry that has left the log with age', async () => {
    const log = memoryLog({ retentionMs: 3_600_000 });
    await publishOnce(log, 'message', 0);
    log.now += 3_600_000;
    await publish(log, 'young');
    await publishOnce(log, 'message', 0);
    expect(await all(log)).toEqual(['young']);
  });
});

test.each(['alone', 'with a Stream-Seq'])(
  'a key whose slot was sealed before the write takes another slot, %s',
  async (way) => {
    const log = memoryLog();
    await publish(log, 'before');
    let isSlow = true;
    log.hook = async (moment) => {
      if (!isSlow || moment !== 'before entries.put') return;
      isSlow = false;
      await publish(log, 'other');
      log.now += GAP_GRACE_MS + 1;
      await all(log);
    };
    const seq = way === 'alone' ? undefined : '1';
    await sendOnce(log, 'slow', 'k', { seq });
    await sendOnce(log, 'slow', 'k', { seq });
    expect(await all(log)).toEqual(['before', 'other', 'slow']);
  },
);

describe('Stream-Seq', () => {
  const sequenced = (log: MemoryLog, message: unknown, seq: string) =>
    append(log, requestOf([message], { seq }));

  async function crashedAt(moment: string): Promise<MemoryLog> {
    const log = memoryLog();
    await sequenced(log, 'first', '1');
    log.hook = (now) => {
      if (now === moment) throw new Error('crash');
    };
    await expect(sequenced(log, 'message', '2')).rejects.toThrow('crash');
    log.hook = () => {};
    return log;
  }

  test('a retry after a write that failed is accepted, whether or not its slot was sealed', async () => {
    for (const sealed of [false, true]) {
      const log = await crashedAt('before entries.put');
      await publish(log, 'other');
      if (sealed) {
        log.now += GAP_GRACE_MS + 1;
        await all(log);
      }
      await sequenced(log, 'message', '2');
      expect(await all(log)).toEqual(sealed ? ['first', 'other', 'message'] : ['first', 'message', 'other']);
      expect(await codeOf(sequenced(log, 'message', '2'))).toBe('sequence_regression');
    }
  });

  test('the same number from another writer is refused, also if the entry with it has left the log', async () => {
    const log = memoryLog();
    await sequenced(log, 'mine', '5');
    log.now += 8 * 86_400_000;
    expect(await codeOf(sequenced(log, 'theirs', '5'))).toBe('sequence_regression');
    const keyed = appendOnce(log, requestOf(['theirs'], { seq: '5' }), { key: 'k', fingerprint: 'f' });
    expect(await codeOf(keyed)).toBe('sequence_regression');
    expect(await all(log)).toEqual([]);
  });

  test('of two writers with the same number, one is accepted', async () => {
    const log = memoryLog();
    const codes = await Promise.all(['a', 'b', 'c'].map((message) => codeOf(sequenced(log, message, '1'))));
    expect(codes.filter((code) => code === 'done')).toHaveLength(1);
    expect(await all(log)).toHaveLength(1);
  });

  test.each(['alone', 'with a key'])(
    'a retry that overtakes its first attempt is in the log once: the number %s',
    async (way) => {
      const log = memoryLog();
      await sequenced(log, 'first', '1');
      const slow = () =>
        way === 'alone'
          ? sequenced(log, 'message', '2')
          : appendOnce(log, requestOf(['message'], { seq: '2' }), { key: 'k', fingerprint: 'f' });
      let isOvertaken = false;
      log.hook = async (moment) => {
        if (isOvertaken || moment !== 'before entries.put') return;
        isOvertaken = true;
        await sequenced(log, 'message', '2');
      };
      const codes = [await codeOf(slow()), await codeOf(slow())];
      expect(await all(log)).toEqual(['first', 'message']);
      expect([isOvertaken, codes.at(-1)]).toEqual([true, 'sequence_regression']);
      expect(codes).not.toContain('done');
    },
  );

  test('a write whose answer came too late for its client is not repeated', async () => {
    const log = await crashedAt('after entries.put');
    expect(await codeOf(sequenced(log, 'message', '2'))).toBe('sequence_regression');
    expect(await all(log)).toEqual(['first', 'message']);
  });
});

describe('producers', () => {
  test('a pipeline of publishes whose first one crashed completes it after the others', async () => {
    const log = memoryLog();
    await publish(log, 'before');
    log.hook = (moment) => {
      if (moment === 'before entries.put') throw new Error('crash');
    };
    await expect(send(log, 0, 0)).rejects.toThrow('crash');
    log.hook = () => {};
    for (let seq = 1; seq < PRODUCER_WINDOW; seq++) await send(log, seq, seq);
    await send(log, 0, 0);
    expect(await all(log)).toEqual(['before', ...Array.from({ length: PRODUCER_WINDOW }, (_, seq) => seq)]);
  });

  test.each([
    ['a sequence gap', producer(2), 'producer_gap'],
    ['an old epoch', producer(1, -1), 'stale_producer'],
    ['a new epoch that does not begin at 0', producer(1, 1), 'bad_request'],
    ['a new epoch', producer(0, 1), 'done'],
    ['the next', producer(1), 'done'],
    ['the same', producer(0), 'done'],
  ])('%s: %s', async (_name, next, code) => {
    const log = memoryLog();
    await publish(log, 'before');
    await send(log, 0, 0);
    expect(await codeOf(append(log, requestOf([1], { producer: next })))).toBe(code);
  });

  test('the first publish of a producer may create the channel in implicit mode', async () => {
    const log = memoryLog();
    await send(log, 'first', 0);
    expect(await all(log)).toEqual(['first']);
  });

  test('a channel full of producers takes a new one when others have been silent for a retention', async () => {
    const log = memoryLog();
    const other = (id: string) => codeOf(append(log, requestOf([1], { producer: { id, epoch: 0, seq: 0 } })));
    let n = 0;
    while ((await other(`filler${n}`)) === 'done') n++;
    expect(await other('late')).toBe('too_many_producers');
    log.now += log.retentionMs + 1;
    expect(await other('late')).toBe('done');
  });
});

describe('keys', () => {
  test('the same key with another request is refused, and nothing is written', async () => {
    const log = memoryLog();
    await sendOnce(log, 'one', 'k');
    expect(await codeOf(sendOnce(log, 'two', 'k'))).toBe('key_reused');
    expect(await all(log)).toEqual(['one']);
  });

  test('a key is forgotten after a day, and each channel has its own keys', async () => {
    const log = memoryLog();
    await sendOnce(log, 'one', 'k');
    await sendOnce(log, 'one', 'k', { channel: 'elsewhere' });
    log.now += IDEMPOTENCY_KEPT_MS - 1;
    await sendOnce(log, 'one', 'k');
    expect(await all(log)).toEqual(['one']);
    log.now += 1;
    await sendOnce(log, 'two', 'k');
    expect(await all(log)).toEqual(['one', 'two']);
  });
});

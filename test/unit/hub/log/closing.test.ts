/**
 * PROTOCOL.md §4.5: a channel that is closed ends for its readers, and takes nothing more.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { type AppendRequest, append } from '../../../../lambda/hub/log/append.ts';
import { GAP_GRACE_MS } from '../../../../protocol/limits.ts';
import { codeOf, publish, readFrom, requestOf, values } from '../../../support/domain/json-log.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';

const producer = (seq: number) => ({ id: 'p', epoch: 0, seq });
const send = (log: MemoryLog, message: unknown, seq: number) =>
  append(log, requestOf([message], { producer: producer(seq) }));
const all = async (log: MemoryLog) => values(await readFrom(log, 'beginning'));

describe('closing', () => {
  const close = (log: MemoryLog, messages: unknown[], more: Partial<AppendRequest> = {}) =>
    append(log, requestOf(messages, { close: true, ...more }));

  test('with a last message or without one, readers reach the end', async () => {
    for (const messages of [[], ['last']]) {
      const log = memoryLog();
      await publish(log, 'first');
      expect(await close(log, messages)).toMatchObject({ closed: true });
      const result = await readFrom(log, 'beginning');
      expect([values(result), result.closed]).toEqual([['first', ...messages], true]);
      expect((await readFrom(log, result.next)).closed).toBe(true);
      expect((await readFrom(log, 'now')).closed).toBe(true);
      expect(await codeOf(publish(log, 'more'))).toBe('channel_closed');
    }
  });

  test('a second time is accepted without a message, and refused with one', async () => {
    const log = memoryLog();
    await publish(log, 'first');
    await close(log, []);
    expect(await close(log, [])).toMatchObject({ closed: true });
    expect(await codeOf(close(log, ['more']))).toBe('channel_closed');
  });

  test('by a producer is confirmed again for that publish only', async () => {
    const log = memoryLog();
    await send(log, 'first', 0);
    const closing = () => close(log, ['last'], { producer: producer(1) });
    const { nextOffset } = await closing();
    expect(await closing()).toMatchObject({ nextOffset, count: 0, closed: true });
    // A closed channel confirms what it accepted while it was open.
    expect(await send(log, 'first', 0)).toMatchObject({ count: 0 });
    expect(await codeOf(send(log, 'more', 2))).toBe('channel_closed');
    expect(await codeOf(close(log, [], { producer: producer(2) }))).toBe('channel_closed');
    expect(await all(log)).toEqual(['first', 'last']);
  });

  test('with a last message that never arrived does not keep readers from the end', async () => {
    const log = memoryLog();
    await publish(log, 'first');
    log.hook = (moment) => {
      if (moment === 'before entries.put') throw new Error('crash');
    };
    await expect(close(log, ['last'])).rejects.toThrow('crash');
    log.hook = () => {};
    log.now += GAP_GRACE_MS;
    expect((await readFrom(log, 'beginning')).closed).toBe(false);
    log.now += 1;
    expect(await readFrom(log, 'beginning')).toMatchObject({ closed: true, next: { entry: 3, index: 0 } });
  });

  test('by a producer that crashed is completed by its retry, or refused if the slot was sealed', async () => {
    for (const sealed of [false, true]) {
      const log = memoryLog();
      await send(log, 'first', 0);
      log.hook = (moment) => {
        if (moment === 'before entries.put') throw new Error('crash');
      };
      await expect(close(log, ['last'], { producer: producer(1) })).rejects.toThrow('crash');
      log.hook = () => {};
      if (sealed) {
        log.now += GAP_GRACE_MS + 1;
        await all(log);
      }
      const code = await codeOf(close(log, ['last'], { producer: producer(1) }));
      expect([code, await all(log)]).toEqual(
        sealed ? ['channel_closed', ['first']] : ['done', ['first', 'last']],
      );
    }
  });
});

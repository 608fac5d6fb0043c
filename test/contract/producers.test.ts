/**
 * What the store of channels promises about idempotent producers.
 * @module
 */
import { describe, expect, test } from 'vitest';
import type { Claim } from '../../lambda/hub/log/log-ports.ts';
import { MARKS_PER_PRODUCER, slotMark } from '../../lambda/hub/log/producer.ts';
import { MAX_PRODUCERS } from '../../protocol/limits.ts';
import { claim, fresh, NOW, storesUnderTest } from './stores.ts';

describe.each(storesUnderTest())('%s', (_, open) => {
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

    test('gets its publishes granted in sequence, each once', async () => {
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

    test('begins a higher epoch at 0, and no lower epoch after that', async () => {
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

    test('is not mistaken for another producer, whatever its name', async () => {
      const { tries, channels, channel } = await opened();
      const names = ['p', 'q', '__proto__', 'constructor', 'a.b', '#x', ':y', ' '];
      expect(await tries(...names.map((id) => as(0, 0, id)))).toEqual(names.map((_id, slot) => slot));
      expect(await tries(...names.map((id) => as(1, 0, id)))).toEqual(
        names.map((_id, slot) => slot + names.length),
      );
      const found = await channels.get(channel.name);
      expect(Object.keys(found?.producers ?? {})).toHaveLength(names.length * 5);
    });

    test('finds the slots of its last publishes, and may move the slot that it names', async () => {
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

    test('does not create its channel', async () => {
      const { channels } = open();
      const channel = fresh();
      expect(await channels.reserve(claim(channel, { ...as(0), fresh: channel }))).toBeUndefined();
    });

    test('is refused when the channel has too many, until some have expired', async () => {
      const { tries, channels, channel } = await opened();
      const filler = Array.from({ length: MAX_PRODUCERS * MARKS_PER_PRODUCER }, (_, seq) =>
        as(0, 0, `filler${seq}`),
      );
      const slots = await tries(...filler);
      const refused = slots.indexOf(undefined);
      expect(refused).toBeGreaterThan(MAX_PRODUCERS);
      expect(await tries(as(1, 0, 'filler0'))).not.toEqual([undefined]);
      const marks = ['e:', 'q:', 't:', 's0:', 's1:'].map((prefix) => `${prefix}filler0`);
      const silent = { id: 'filler0', since: NOW - 1, marks };
      await channels.forgetProducer(channel, silent);
      expect(await tries(as(0, 0, 'new'))).toEqual([undefined]);
      await channels.forgetProducer(channel, { ...silent, since: NOW });
      expect(await tries(as(0, 0, 'new'))).not.toEqual([undefined]);
      // More than a thousand calls: a busy machine takes longer than the default.
    });
  });
});

/**
 * Delayed hints of many processes at once, in virtual time. The topic may refuse any call, and any process may get a message: in the end the
 * topic gets a hint of the last publish (docs/adr/0012).
 * @module
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type DelayedHint,
  delayedHintHandler,
  delayedHintsDue,
  HINT_DELAY_MS,
  isUnderWay,
} from '../../../../lambda/hub/push/delayed-hint.ts';
import { Refusal } from '../../../../protocol/errors.ts';
import { formatOffset, type Position } from '../../../../protocol/offset.ts';
import { CHANNEL, publish } from '../../../support/domain/json-log.ts';
import { memoryLog } from '../../../support/domain/memory-log.ts';

/** Number of processes that publish, and the time within which they do, in milliseconds. */
const PUBLISHERS = 3;
const WITHIN_MS = 20_000;
const PUSHES = 3;

interface Message {
  readonly hint: DelayedHint;
  /** Earliest time at which it can be received. */
  readonly at: number;
}

const run = fc.record({
  publishes: fc.array(
    fc.record({ at: fc.nat(WITHIN_MS), publisher: fc.nat(PUBLISHERS - 1), isRefused: fc.boolean() }),
    { minLength: 1, maxLength: 40 },
  ),
  /** For each delayed hint that is received, in order: its process, whether the topic is busy, whether it comes twice. */
  receives: fc.infiniteStream(
    fc.record({
      push: fc.nat(PUSHES - 1),
      isBusy: fc.boolean(),
      isDoubled: fc.boolean(),
    }),
  ),
  random: fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
});

test('the topic gets a hint of the last publish in the end', async () => {
  await fc.assert(
    fc.asyncProperty(run, async ({ publishes, receives, random }) => {
      const log = memoryLog();
      const start = log.now;
      const queue: Message[] = [];
      let published = '';
      let isBusy = false;
      const draw = () => random.next().value ?? 0;
      const pushes = Array.from({ length: PUSHES }, () =>
        delayedHintHandler({
          log,
          random: draw,
          async topic({ offset }) {
            if (isBusy) throw new Refusal('unavailable', 'busy');
            if (offset > published) published = offset;
          },
          queue: {
            send: async (hint, delayMs) => void queue.push({ hint, at: log.now + delayMs }),
          },
        }),
      );
      const publishers = Array.from({ length: PUBLISHERS }, delayedHintsDue);
      let last: Position | undefined;
      const publishOne = async (publisher: number, isRefused: boolean): Promise<void> => {
        last = await publish(log, 'x');
        const due = publishers[publisher] ?? delayedHintsDue();
        if (!isRefused) published = formatOffset(last);
        else if (!isUnderWay(due, CHANNEL, log.now)) {
          queue.push({ hint: { channel: CHANNEL, offset: last, tries: 0 }, at: log.now + HINT_DELAY_MS });
          due.set(CHANNEL, log.now + HINT_DELAY_MS);
        }
      };
      const receive = async ({ hint }: Message, isLast: boolean): Promise<void> => {
        const { push, isBusy: refuses, isDoubled } = receives.next().value ?? { push: 0 };
        isBusy = refuses === true && !isLast;
        for (let times = isDoubled ? 2 : 1; times > 0; times--) await pushes[push ?? 0]?.(hint);
      };
      const left = publishes.toSorted((one, other) => one.at - other.at);
      for (let steps = 0; left.length + queue.length > 0; steps++) {
        queue.sort((one, other) => one.at - other.at);
        const [message] = queue;
        const [next] = left;
        const isPublish = next && (!message || start + next.at <= message.at);
        if (isPublish) {
          left.shift();
          log.now = Math.max(log.now, start + next.at);
          await publishOne(next.publisher, next.isRefused);
        } else if (message) {
          queue.shift();
          log.now = Math.max(log.now, message.at);
          // After that many attempts the topic accepts.
          await receive(message, steps > 300);
        }
      }
      expect(published).toBe(last && formatOffset(last));
    }),
    { numRuns: 500 },
  );
});

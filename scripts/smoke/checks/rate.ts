/**
 * Publishing at a high rate. The lowest quota on the way is that of SNS: 300 publishes per second in most Regions.
 * https://docs.aws.amazon.com/general/latest/gr/sns.html
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { type Check, expectThat } from '../check.ts';
import { follow } from '../follow.ts';
import type { Session } from '../session.ts';

/** The time during which messages are published, in seconds. */
export const RATE_SECONDS = 5;
/** The time limit for the last message, in milliseconds. */
const LATE_MS = 30_000;

/** No publish may be throttled, and no message may be lost. */
export const publishingFast: Check = {
  number: 8,
  title: 'publishing fast',
  expected: '2xx for each publish, and each message on a socket',
  async run(session) {
    const { rate } = session;
    const channel = await session.newChannel();
    const count = rate * RATE_SECONDS;
    session.note(`publishing ${rate} messages a second for ${RATE_SECONDS} s`);
    const reader = await follow(session, channel, 'websocket');
    try {
      const { statuses, ms } = await publishAt(session, channel, count);
      const refused = Object.entries(statuses).filter(([status]) => !/^2/.test(status));
      const answers = Object.entries(statuses).map(([status, n]) => `${n} times ${status}`);
      expectThat(refused.length === 0, answers.join(', '));
      await reader.until(count, LATE_MS);
      const different = new Set(reader.got).size;
      expectThat(
        reader.got.length === count && different === count,
        `${different} different messages of ${count} on the socket`,
      );
      const achieved = Math.round(count / (ms / 1_000));
      return `${answers.join(', ')}, at ${achieved} a second, and all ${count} messages on the socket`;
    } finally {
      reader.close();
    }
  },
};

/** Publishes at the rate of the session. It does not wait for the answers. */
async function publishAt({ rate, publish, stopped }: Session, channel: string, count: number) {
  const statuses: Record<string, number> = {};
  const began = performance.now();
  const answers: Promise<void>[] = [];
  for (let n = 0; n < count; n++) {
    const early = began + (n * 1_000) / rate - performance.now();
    if (early > 0) await wait(early, undefined, { signal: stopped });
    const answer = publish(channel, [n]).then(
      ({ status }) => String(status),
      () => 'no answer',
    );
    answers.push(
      answer.then((status) => {
        statuses[status] = (statuses[status] ?? 0) + 1;
      }),
    );
  }
  const ms = performance.now() - began;
  await Promise.all(answers);
  return { statuses, ms };
}

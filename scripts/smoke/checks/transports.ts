/**
 * One log, five transports: the same messages, in the same order, once each (PROTOCOL.md §11).
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { TRANSPORTS } from '../../../client/transports/failover.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { type Check, expectThat } from '../check.ts';
import { follow } from '../follow.ts';
import type { Session } from '../session.ts';
import { createEndpoint, withReceiver } from './webhooks.ts';

const MESSAGES = 100;
/** Messages of one publish: some come alone, and some together. */
const SIZES = [1, 1, 3];
/** The time limit for the last message, in milliseconds: cold starts, and reads every five seconds. */
const LATE_MS = 40_000;
const POLL_MS = 500;

/** Every transport must deliver every message. */
export const allTransports: Check = {
  number: 16,
  title: 'a hundred messages by each transport',
  expected: 'all of them, once each and in order; by webhook all, in any order',
  run: (session) =>
    withReceiver(session, async (url) => {
      const channel = await session.newChannel();
      const endpoint = url === undefined ? undefined : await createEndpoint(session, url, channel);
      const followers = await Promise.all(TRANSPORTS.map((transport) => follow(session, channel, transport)));
      try {
        await publishAll(session, channel);
        await Promise.all(followers.map((one) => one.until(MESSAGES, LATE_MS)));
        for (const [at, { got }] of followers.entries()) {
          const isAll = got.length === MESSAGES && got.every((message, n) => message === n);
          expectThat(isAll, `by ${TRANSPORTS[at]}: ${JSON.stringify(got)}`);
        }
        const came = `all by ${TRANSPORTS.join(', ')}`;
        if (endpoint === undefined) return `${came}; webhooks cannot be seen without --receiver`;
        await untilDelivered(session, endpoint);
        return `${came} and webhook`;
      } finally {
        for (const { close } of followers) close();
      }
    }),
};

async function publishAll({ publish }: Session, channel: string): Promise<void> {
  for (let n = 0, publishes = 0; n < MESSAGES; publishes++) {
    const size = Math.min(SIZES[publishes % SIZES.length] ?? 1, MESSAGES - n);
    const { status } = await publish(
      channel,
      Array.from({ length: size }, (_, at) => n + at),
    );
    expectThat(status === 204, `${status} for a publish`);
    n += size;
  }
}

/** Waits until the log of deliveries has all messages. */
async function untilDelivered({ ask, stopped }: Session, endpoint: string): Promise<void> {
  const end = performance.now() + LATE_MS;
  for (;;) {
    const answer = await ask(`${endpoint}/deliveries?status=delivered&limit=${MESSAGES}`);
    const { deliveries } = fieldsOf(await answer.json());
    const count = Array.isArray(deliveries) ? deliveries.length : 0;
    if (count === MESSAGES) return;
    expectThat(performance.now() < end, `${count} of ${MESSAGES} messages by webhook`);
    await wait(POLL_MS, undefined, { signal: stopped });
  }
}

/**
 * Long polls: the answer of API Gateway for a function without concurrency, and a process that was frozen (PROTOCOL.md §5.1, §8).
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { type Check, expectThat, unseen } from '../check.ts';
import type { Session } from '../session.ts';
import { codeIn } from '../wire.ts';

/** The head start of the first long poll, in milliseconds. */
const FIRST_MS = 2_000;
/** The time for which the first long poll is held, in seconds: longer than FIRST_MS and the second one together. */
const FIRST_SECONDS = 6;
/** The shortest hold, in seconds. */
const SHORT_SECONDS = 1;

function longPoll({ ask }: Session, channel: string, seconds: number): Promise<Response> {
  const headers = { Prefer: `wait=${seconds}` };
  const answer = ask(`/channels/${channel}?live=long-poll&offset=-1`, { headers });
  // Ctrl-C aborts the request while the check waits for something else. An unhandled rejection would end Node before
  // the clean-up.
  answer.catch(() => {});
  return answer;
}

/** Without free concurrency, the platform must answer with an error that clients retry. */
export const noRoom: Check = {
  number: 3,
  title: 'a long poll for which there is no room',
  expected:
    'a 5xx or 429 of the platform, with or without Retry-After (with tidings:maxHolds=1, the second of two)',
  async run(session) {
    const channel = await session.newChannel();
    const first = longPoll(session, channel, FIRST_SECONDS);
    await wait(FIRST_MS, undefined, { signal: session.stopped });
    const second = await longPoll(session, channel, SHORT_SECONDS);
    const answers = [await first, second];
    const refused = answers.find(({ status }) => status !== 204);
    if (!refused) return unseen('204 for both: deploy with -c tidings:maxHolds=1 to see it');
    const body = await refused.text();
    const after = refused.headers.get('retry-after') ?? 'none';
    const came = `${refused.status} ${body}, Retry-After: ${after}`;
    if (codeIn(body) === 'too_many_requests') return unseen('the quota of one caller was reached before');
    expectThat(refused.status === 429 || refused.status >= 500, came);
    return came;
  },
};

/**
 * The time limit for the message, in milliseconds. The hub promises five seconds (PROTOCOL.md §5.1). The rest is for a
 * cold start.
 */
const SEEN_MS = 10_000;
/** The time that the long poll waits before a message is published, in milliseconds. */
const HELD_MS = 3_000;
/** The longest hold of that long poll, in seconds: longer than HELD_MS and SEEN_MS together. */
const HELD_SECONDS = 20;
const MINUTE_MS = 60_000;

/** A frozen process must find that its socket is gone. */
export const afterFreeze: Check = {
  number: 9,
  title: 'a long poll after a pause, by a process that was frozen meanwhile',
  expected: `the message within ${SEEN_MS / 1_000} s of its publish`,
  async run(session) {
    const { pauseMs, note, stopped, newChannel, publish } = session;
    const channel = await newChannel();
    const first = await longPoll(session, channel, SHORT_SECONDS);
    expectThat(first.status === 204, `the first long poll was answered ${first.status}`);
    for (let left = pauseMs; left > 0; left -= MINUTE_MS) {
      note(`pausing for ${Math.ceil(left / 1_000)} s`);
      await wait(Math.min(left, MINUTE_MS), undefined, { signal: stopped });
    }
    const held = longPoll(session, channel, HELD_SECONDS);
    await wait(HELD_MS, undefined, { signal: stopped });
    await publish(channel, ['woken']);
    const published = performance.now();
    const { status } = await held;
    const ms = Math.round(performance.now() - published);
    expectThat(status === 200, `the long poll was answered ${status}`);
    expectThat(ms < SEEN_MS, `the message ${ms} ms after its publish`);
    return `the message ${ms} ms after its publish, after a pause of ${pauseMs / 1_000} s`;
  },
};

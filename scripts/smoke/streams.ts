/**
 * Streams: whether the function gets the token, and how long a stream goes on after its reader has disconnected (PROTOCOL.md §5.2, §8).
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { STREAM_TTL } from '../../protocol/headers.ts';
import { type Check, expectThat } from './check.ts';
import type { Session } from './session.ts';
import { eventWith } from './wire.ts';

/** Longer than a message takes at the worst (PROTOCOL.md §5.1), in milliseconds: then it waited for others. */
const BUFFERED_MS = 10_000;

const EVENT_STREAM = { Accept: 'text/event-stream' };

export const streamsWithToken: Check = {
  number: 1,
  title: 'streams with a token',
  expected: '200, and each message when it is published, at /events and at /channels/…?live=sse',
  async run({ hub, ask, newChannel, publish }) {
    const channel = await newChannel();
    let slowest = 0;
    for (const path of [
      `/events?channel=${channel}&offset=-1`,
      `/channels/${channel}?live=sse&offset=-1`,
      `/channels/${channel}`,
    ]) {
      const stream = await ask(`${hub.streams}${path}`, { headers: EVENT_STREAM });
      const published = performance.now();
      await publish(channel, [path]);
      await eventWith(path, stream);
      const ms = Math.round(performance.now() - published);
      expectThat(
        ms < BUFFERED_MS,
        `the message after ${ms} ms at ${path}: something on the way keeps it back`,
      );
      slowest = Math.max(slowest, ms);
    }
    return `the message within ${slowest} ms of its publish, by each, and as an EventSource reads a channel`;
  },
};

/** A channel lives that long after it was last looked into, in seconds. Streams look twice as often. */
const TTL_SECONDS = 4;
/** How much longer a channel lives that an abandoned stream looks into, at the least, in milliseconds. */
const LONGER_MS = 2_500;
/** A little more than the maximum of streamSeconds (lib/config/config.ts), in milliseconds. */
const LONGEST_MS = 15 * 60_000;
const POLL_MS = 500;

/**
 * A channel with a TTL lives as long as something reads it, and HEAD does not count as a read. So the lifetime of the channel shows
 * how long the stream went on after its reader disconnected.
 */
export const abandonedStream: Check = {
  number: 7,
  title: 'a stream whose reader has left',
  expected: 'it goes on to the end of its life (tidings:streamSeconds): AWS Lambda does not interrupt it',
  async run(session) {
    const { hub, ask, note, newChannel, publish } = session;
    const alone = await newChannel({ ttlSeconds: TTL_SECONDS });
    const followed = await newChannel({ ttlSeconds: TTL_SECONDS });
    await publish(alone, ['seen']);
    await publish(followed, ['seen']);
    // Reading its event is all that the reader does before it leaves.
    await eventWith('seen', await ask(`${hub.streams}/channels/${followed}?live=sse&offset=-1`));
    const left = performance.now();
    note('waiting until the stream that was left has ended (a minute by default)');
    const aloneMs = (await untilGone(session, alone)) - left;
    const wentOnMs = (await untilGone(session, followed)) - left - aloneMs;
    expectThat(wentOnMs > LONGER_MS, `it ended when its reader left, or within ${LONGER_MS / 1_000} s`);
    return `it went on for about ${Math.round(wentOnMs / 1_000)} s`;
  },
};

/** When a channel has expired. */
async function untilGone({ ask, stopped }: Session, channel: string): Promise<number> {
  const end = performance.now() + LONGEST_MS;
  for (;;) {
    const now = performance.now();
    // In the implicit mode a channel that is not there reads as an empty one, without a lifetime.
    const { headers } = await ask(`/channels/${channel}`, { method: 'HEAD' });
    if (!headers.has(STREAM_TTL)) return now;
    if (now > end) throw new Error(`the channel is still there after ${LONGEST_MS / 60_000} minutes`);
    await wait(POLL_MS, undefined, { signal: stopped });
  }
}

/**
 * Streams: whether the function gets the token, and how long a stream continues after its reader has disconnected
 * (PROTOCOL.md §5.2, §8).
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { STREAM_TTL } from '../../../protocol/headers.ts';
import { type Check, expectThat } from '../check.ts';
import type { Session } from '../session.ts';
import { eventWith } from '../wire.ts';

/** Longer than any message takes (PROTOCOL.md §5.1), in milliseconds. A later message was buffered on the way. */
const BUFFERED_MS = 10_000;

const EVENT_STREAM = { Accept: 'text/event-stream' };

/** The token must reach the function, and no proxy may buffer the stream. */
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
        `the message after ${ms} ms at ${path}: something on the way holds it back`,
      );
      slowest = Math.max(slowest, ms);
    }
    return `the message within ${slowest} ms of its publish, at each, also as an EventSource reads a channel`;
  },
};

/** The lifetime of a channel after its last read, in seconds. Streams read it twice as often. */
const TTL_SECONDS = 4;
/** The shortest time by which an abandoned stream prolongs the life of a channel, in milliseconds. */
const LONGER_MS = 2_500;
/** A little more than the maximum of streamSeconds (lib/config/config.ts), in milliseconds. */
const LONGEST_MS = 15 * 60_000;
const POLL_MS = 500;

/**
 * A channel with a TTL lives as long as something reads it, and HEAD does not count as a read. So its lifetime shows
 * how long the stream continued after its reader disconnected.
 */
export const abandonedStream: Check = {
  number: 7,
  title: 'a stream whose reader has left',
  expected: 'it continues to the end of its life (tidings:streamSeconds): AWS Lambda does not interrupt it',
  async run(session) {
    const { hub, ask, note, newChannel, publish } = session;
    const alone = await newChannel({ ttlSeconds: TTL_SECONDS });
    const followed = await newChannel({ ttlSeconds: TTL_SECONDS });
    await publish(alone, ['seen']);
    await publish(followed, ['seen']);
    // The reader reads one event, and disconnects.
    await eventWith('seen', await ask(`${hub.streams}/channels/${followed}?live=sse&offset=-1`));
    const left = performance.now();
    note('waiting until the abandoned stream has ended (a minute by default)');
    const aloneMs = (await untilGone(session, alone)) - left;
    const continuedMs = (await untilGone(session, followed)) - left - aloneMs;
    expectThat(continuedMs > LONGER_MS, `it ended when its reader left, or within ${LONGER_MS / 1_000} s`);
    return `it continued for about ${Math.round(continuedMs / 1_000)} s`;
  },
};

/** Returns the time at which a channel has expired, by `performance.now()`. */
async function untilGone({ ask, stopped }: Session, channel: string): Promise<number> {
  const end = performance.now() + LONGEST_MS;
  for (;;) {
    const now = performance.now();
    // With implicit creation, a channel that does not exist reads as an empty one without a lifetime.
    const { headers } = await ask(`/channels/${channel}`, { method: 'HEAD' });
    if (!headers.has(STREAM_TTL)) return now;
    if (now > end) throw new Error(`the channel is still there after ${LONGEST_MS / 60_000} minutes`);
    await wait(POLL_MS, undefined, { signal: stopped });
  }
}

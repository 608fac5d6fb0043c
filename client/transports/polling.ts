/**
 * Long polling and short polling (PROTOCOL.md §5, §5.1).
 * @module
 */
import type { Cursor } from '../cursor.ts';
import type { Host } from '../host.ts';
import type { RequestLimits } from '../http.ts';
import type { Page, Pages } from '../page.ts';
import { jittered, sleep } from '../timers.ts';
import { retrying, type TransportReader } from './failover.ts';

/** The time between two short polls, in milliseconds, plus or minus a quarter. */
const POLL_MS = 3_000;

/** An empty answer that took less, in milliseconds, was not held. */
const UNHELD_MS = 1_000;

/** What polling needs. */
export interface PollSource {
  /** The clock, timers and random numbers. */
  readonly host: Host;
  /** Reads over HTTP. */
  readonly pages: Pages;
  /** Bounds the long polls. */
  readonly limits: RequestLimits;
  /** The cursor of the channel. */
  readonly cursor: Cursor;
}

/** Returns the short-poll transport. */
export const pollReader = (source: PollSource): TransportReader => ({
  name: 'poll',
  run: (flow) =>
    retrying(source.host, flow, async (up) => {
      let page = await readToEnd(source, flow.signal, up);
      while (!flow.signal.aborted) page = await pollOnce(source, flow.signal, up, page);
    }),
});

/** Returns the long-poll transport. A client holds two long polls (http.ts). All further ones become short polls. */
export const longPollReader = (source: PollSource): TransportReader => ({
  name: 'long-poll',
  run: (flow) =>
    retrying(source.host, flow, async (up) => {
      let page = await readToEnd(source, flow.signal, up);
      while (!flow.signal.aborted) {
        const leave = source.limits.hold();
        if (leave) await hold(source, flow.signal, up).finally(leave);
        else page = await pollOnce(source, flow.signal, up, page);
      }
    }),
});

/** Waits for the time between two short polls, then reads all new messages. */
export async function pollOnce(
  source: PollSource,
  signal: AbortSignal,
  up: () => void,
  last: Page,
): Promise<Page> {
  const { host } = source;
  await sleep(host, jittered(POLL_MS, host.random()), signal);
  return signal.aborted ? last : await readToEnd(source, signal, up, last);
}

/**
 * Reads to the end of the channel. This settles a `now`, shows what the hub refuses about this channel, and shows the
 * failover in time that the hub answers. An empty answer also counts as the end if it has no `Stream-Up-To-Date`.
 * Otherwise the loop would read without a pause.
 */
export async function readToEnd(
  source: PollSource,
  signal: AbortSignal,
  up: () => void,
  last?: Page,
): Promise<Page> {
  let page = await readNextPage(source, signal, up, last);
  while (!page.isUpToDate && page.batch.messages.length > 0 && !signal.aborted)
    page = await readNextPage(source, signal, up, page);
  return page;
}

async function readNextPage(
  { pages, cursor }: PollSource,
  signal: AbortSignal,
  up: () => void,
  last: Page | undefined,
): Promise<Page> {
  const { channel, offset } = cursor;
  const page = await pages.read({ channel, offset, etag: last?.etag }, signal);
  up();
  cursor.offer(page.batch);
  return page;
}

async function hold({ host, pages, cursor }: PollSource, signal: AbortSignal, up: () => void): Promise<void> {
  for (let last: Page | undefined; !signal.aborted; ) {
    const began = host.now();
    const { channel, offset } = cursor;
    last = await pages.read({ channel, offset, isHeld: true, cursor: last?.cursor }, signal);
    up();
    cursor.offer(last.batch);
    const isNews = last.batch.messages.length > 0;
    // A long poll that the hub or a proxy does not hold is a short poll.
    if (!isNews && host.now() - began < UNHELD_MS)
      await sleep(host, jittered(POLL_MS, host.random()), signal);
  }
}

/**
 * Long and short polling (PROTOCOL.md §5, §5.1).
 * @module
 */
import type { Cursor } from '../cursor.ts';
import type { Host } from '../host.ts';
import type { RequestLimits } from '../http.ts';
import type { Page, Pages } from '../page.ts';
import { jittered, sleep } from '../timers.ts';
import { again, type TransportReader } from './failover.ts';

/** Between two short polls, in milliseconds, give or take a quarter. */
const POLL_MS = 3_000;

/** An answer without news that took less was not held, in milliseconds. */
const UNHELD_MS = 1_000;

export interface PollSource {
  readonly host: Host;
  readonly pages: Pages;
  readonly limits: RequestLimits;
  readonly cursor: Cursor;
}

export const pollReader = (source: PollSource): TransportReader => ({
  name: 'poll',
  run: (flow) =>
    again(source.host, flow, async (up) => {
      let page = await readToEnd(source, flow.signal, up);
      while (!flow.signal.aborted) page = await pollOnce(source, flow.signal, up, page);
    }),
});

/** Long polls beyond those that have a place (request-limits.ts) are short ones. */
export const longPollReader = (source: PollSource): TransportReader => ({
  name: 'long-poll',
  run: (flow) =>
    again(source.host, flow, async (up) => {
      let page = await readToEnd(source, flow.signal, up);
      while (!flow.signal.aborted) {
        const leave = source.limits.hold();
        if (leave) await hold(source, flow.signal, up).finally(leave);
        else page = await pollOnce(source, flow.signal, up, page);
      }
    }),
});

/** Waits for the time between two short polls, and reads what came meanwhile. */
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
 * Reads until that is all. So a `now` is settled, what is refused of this channel is known, and the fallback knows in time
 * that the hub answers. An answer that is empty is the end for now, also without `Stream-Up-To-Date`: the reader waits before it reads on.
 */
export async function readToEnd(
  source: PollSource,
  signal: AbortSignal,
  up: () => void,
  last?: Page,
): Promise<Page> {
  let page = await readOn(source, signal, up, last);
  while (!page.isUpToDate && page.batch.messages.length > 0 && !signal.aborted)
    page = await readOn(source, signal, up, page);
  return page;
}

async function readOn(
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
    // A long poll that is not held is a short one.
    if (!isNews && host.now() - began < UNHELD_MS)
      await sleep(host, jittered(POLL_MS, host.random()), signal);
  }
}

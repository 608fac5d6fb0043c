/**
 * Long and short polling (PROTOCOL.md §5, §5.1).
 * @module
 */
import { backoff, jittered } from './backoff.ts';
import type { Cursor } from './cursor.ts';
import type { Host } from './host.ts';
import type { Page, Pages } from './page.ts';
import { sleep } from './timers.ts';
import { again, type Rung } from './transport.ts';

/** Between two short polls, in milliseconds, give or take a quarter. */
const POLL_MS = 3_000;

/** An answer without news that took less was not held, in milliseconds. */
const UNHELD_MS = 1_000;

export interface PollSource {
  readonly host: Host;
  readonly pages: Pages;
  readonly cursor: Cursor;
}

export const pollRung = (source: PollSource): Rung => ({
  name: 'poll',
  run: (flow) =>
    again(source.host, flow, async (up) => {
      const { host } = source;
      for (let page: Page | undefined; !flow.signal.aborted; ) {
        page = await readOn(source, flow.signal, up, page);
        if (page.isUpToDate) await sleep(host, jittered(POLL_MS, host.random()), flow.signal);
      }
    }),
});

export const longPollRung = (source: PollSource): Rung => ({
  name: 'long-poll',
  run: (flow) =>
    again(source.host, flow, async (up) => {
      await readToEnd(source, flow.signal, up);
      await hold(source, flow.signal, up);
    }),
});

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

/** Before it is held: so that a `now` is settled, and the ladder knows in time that the hub answers. */
async function readToEnd(source: PollSource, signal: AbortSignal, up: () => void): Promise<void> {
  let page = await readOn(source, signal, up, undefined);
  while (!page.isUpToDate && !signal.aborted) page = await readOn(source, signal, up, page);
}

async function hold({ host, pages, cursor }: PollSource, signal: AbortSignal, up: () => void): Promise<void> {
  for (let last: Page | undefined; !signal.aborted; ) {
    const began = host.now();
    const { channel, offset } = cursor;
    last = await pages.read({ channel, offset, isHeld: true, cursor: last?.cursor }, signal);
    up();
    cursor.offer(last.batch);
    const isNews = last.batch.messages.length > 0;
    if (!isNews && host.now() - began < UNHELD_MS) await sleep(host, backoff(0, host.random()), signal);
  }
}

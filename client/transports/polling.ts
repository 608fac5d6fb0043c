/**
 * Long polling and short polling (PROTOCOL.md §5, §5.1).
 * @module
 */
import { type Cursor, isSaidByHub } from '../cursor.ts';
import type { Host } from '../host.ts';
import type { RequestLimits } from '../http.ts';
import type { Page, Pages, Said } from '../page.ts';
import type { RetryBudget } from '../retry-budget.ts';
import { jittered, sleep } from '../timers.ts';
import { retrying, type TransportReader } from './failover.ts';

/**
 * Mean time between two short polls of a hub that gives no advice (`Stream-Poll-After`), in milliseconds. The real time is up to a
 * quarter shorter or longer, also with an advice.
 */
const POLL_MS = 3_000;

/** Time in milliseconds. An empty answer to a long poll that comes earlier was not held. */
const UNHELD_MS = 1_000;

/** The dependencies of polling. */
export interface PollSource {
  /** The clock, timers and random numbers. */
  readonly host: Host;
  /** Reads over HTTP. */
  readonly pages: Pages;
  /** Bounds the number of long polls. */
  readonly limits: RequestLimits;
  /** Pays for retries. */
  readonly budget: RetryBudget;
  /** The cursor of the channel. */
  readonly cursor: Cursor;
  /** What this client says about itself as a member of the channel (PROTOCOL.md §14). Default: nothing. */
  readonly said?: Said | undefined;
}

/** Returns the short-poll transport. */
export const pollReader = (source: PollSource): TransportReader => ({
  name: 'poll',
  run: (flow) =>
    retrying(source, flow, async (up) => {
      let page = await readToEnd(source, flow.signal, up);
      while (!flow.signal.aborted) page = await pollOnce(source, flow.signal, up, page);
    }),
});

/** Returns the long-poll transport. A client has two long polls at a time (http.ts). Further channels use short polls meanwhile. */
export const longPollReader = (source: PollSource): TransportReader => ({
  name: 'long-poll',
  run: (flow) =>
    retrying(source, flow, async (up) => {
      let page = await readToEnd(source, flow.signal, up);
      while (!flow.signal.aborted) {
        const release = source.limits.hold();
        if (release) await hold(source, flow.signal, up).finally(release);
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
  await sleep(host, jittered(last.pollAfterMs ?? POLL_MS, host.random()), signal);
  return signal.aborted ? last : await readToEnd(source, signal, up, last);
}

/**
 * Reads to the end of the channel. A transport does this first. So an offset `now` becomes a real offset, a refusal of the hub
 * comes at once, and `up` is called before a long poll waits. An empty answer also counts as the end, even without
 * `Stream-Up-To-Date`: otherwise the loop would read without a pause.
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

/** Tells a cursor whose beginning only the hub knows where it is. */
export function settleLast(cursor: Cursor, { batch }: Page): void {
  if (isSaidByHub(cursor.offset)) cursor.settle(batch.from);
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
  settleLast(cursor, page);
  cursor.offer(page.batch);
  return page;
}

async function hold(
  { host, pages, cursor, said }: PollSource,
  signal: AbortSignal,
  up: () => void,
): Promise<void> {
  for (let last: Page | undefined; !signal.aborted; ) {
    const began = host.now();
    const { channel, offset } = cursor;
    last = await pages.read({ channel, offset, isHeld: true, cursor: last?.cursor, said }, signal);
    up();
    cursor.offer(last.batch);
    const isNews = last.batch.messages.length > 0;
    // If the hub or a proxy does not hold the long poll, the client pauses as it does between short polls.
    if (!isNews && host.now() - began < UNHELD_MS)
      await sleep(host, jittered(POLL_MS, host.random()), signal);
  }
}

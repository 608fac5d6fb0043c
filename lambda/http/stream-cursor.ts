/**
 * Stream-Cursor: numbers time in steps, so that a cache may answer a thousand waiting clients with one request to the
 * hub and still never keeps any of them in a circle.
 * https://github.com/durable-streams/durable-streams/blob/main/PROTOCOL.md (10.1)
 * @module
 */
const STEP_MS = 20_000;
const FIRST_STEP = Date.UTC(2024, 9, 9);
/** A client that is ahead is sent on by this many steps at most: an hour. */
const MOST_JITTER = 180;

/** The cursor of this moment, or one beyond the client's if that is not behind. */
export function cursorAfter(client: string | undefined, now: number, random: () => number): string {
  const current = Math.floor((now - FIRST_STEP) / STEP_MS);
  const theirs = client !== undefined && /^\d{1,12}$/.test(client) ? Number(client) : -1;
  return String(theirs < current ? current : theirs + 1 + Math.floor(random() * MOST_JITTER));
}

/**
 * Stream-Cursor: the number of a time step. A cache can answer a thousand waiting clients with one request to the hub, and no
 * client gets the same cached answer again and again.
 * https://github.com/durable-streams/durable-streams/blob/main/PROTOCOL.md (10.1)
 * @module
 */

/** The length of a step, in milliseconds, and the time at which the first one began: those of Durable Streams. */
const STEP_MS = 20_000;
const FIRST_STEP = Date.UTC(2024, 9, 9);
/** The most steps that a client is advanced if its cursor is not behind: an hour. */
const MOST_JITTER = 180;

/**
 * Returns the cursor of this moment, or a later one than the client's if the client's is not behind.
 * @param client the cursor that the client sent; another text counts as none
 * @param now milliseconds since 1970
 * @param random returns at least 0 and less than 1
 */
export function cursorAfter(client: string | undefined, now: number, random: () => number): string {
  const current = Math.floor((now - FIRST_STEP) / STEP_MS);
  const theirs = client !== undefined && /^\d{1,12}$/.test(client) ? Number(client) : -1;
  return String(theirs < current ? current : theirs + 1 + Math.floor(random() * MOST_JITTER));
}

/**
 * The names by which processes are shown as waiting on a channel (`WaitStore`). A name is the connection of the wake socket, and says
 * whether the process holds streams: ephemeral messages are only for streams (PROTOCOL.md §4.7), and each post is billed.
 * @module
 */
import type { Waiting, WaitStore } from './push/push-ports.ts';

/** Ends the name of a process that holds no streams. No id of a connection has this character. */
const HOLDS_POLLS = '!';

/** Returns the name of a process that holds long polls. A process that holds streams has its connection as its name. */
export const nameOfPolls = (connection: string): string => connection + HOLDS_POLLS;

/** Returns true if the process holds streams. */
export const holdsStreams = (name: string): boolean => !name.endsWith(HOLDS_POLLS);

/** Returns the connection of the wake socket. */
export const connectionOf = (name: string): string => (holdsStreams(name) ? name : name.slice(0, -1));

/**
 * Returns the names of all processes that wait on a channel, each once. It costs a read only if the look-up did not find them all.
 * @throws Refusal unavailable
 */
export async function allWaiting(
  waits: Pick<WaitStore, 'others'>,
  channel: string,
  { names, hasOthers }: Waiting,
  now: number,
): Promise<readonly string[]> {
  const others = hasOthers ? await waits.others(channel, now) : [];
  return [...new Set([...names, ...others])];
}

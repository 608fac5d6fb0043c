/**
 * Shares reads of the store among those who ask at the same moment: five hundred readers that one publish wakes ask for
 * the same page, and it is read once.
 * @module
 */
import type { Log } from '../log/log-ports.ts';

/**
 * The same log, of whose readers those join who come before a read is sent, never those who come after.
 * @param turn ends when everything that is due at this moment has happened, timers that end together among it
 */
export function sharingReads(log: Log, turn: () => Promise<void>): Log {
  const get = shared(log.channels.get, turn);
  const page = shared(log.entries.page, turn);
  return { ...log, channels: { ...log.channels, get }, entries: { ...log.entries, page } };
}

/**
 * The read is sent a turn after the first asked for it. Whoever joins has asked before it was sent, so it shows them
 * every write that was acknowledged before they asked: a read that is under way already could be older than that.
 */
function shared<A extends readonly (string | number)[], R>(
  read: (...args: A) => Promise<R>,
  turn: () => Promise<void>,
): (...args: A) => Promise<R> {
  const unsent = new Map<string, Promise<R>>();
  return (...args) => {
    const key = JSON.stringify(args);
    const joined = unsent.get(key);
    if (joined) return joined;
    const sent = turn().then(() => {
      unsent.delete(key);
      return read(...args);
    });
    unsent.set(key, sent);
    return sent;
  };
}

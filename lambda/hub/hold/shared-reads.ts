/**
 * Shares reads of the store among requests that ask at the same moment. If one publish wakes five hundred readers of a page, the page
 * is read once.
 * @module
 */
import type { Log } from '../log/log-ports.ts';

/**
 * Returns the same log. A read that is not yet sent serves every request that asks for it; a read that is sent serves no other.
 * @param turn ends when everything that is due at this moment has happened, such as timers that end together
 */
export function sharingReads(log: Log, turn: () => Promise<void>): Log {
  const get = shared(log.channels.get, turn);
  const page = shared(log.entries.page, turn);
  const before = shared(log.entries.before, turn);
  return { ...log, channels: { ...log.channels, get }, entries: { ...log.entries, page, before } };
}

/**
 * The read is sent one turn after the first request asked for it. Each request that joins has asked before it was sent, so the read
 * shows every write that was answered before. A read that is under way could miss such a write.
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

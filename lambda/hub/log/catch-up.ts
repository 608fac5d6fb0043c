/**
 * Catch up: one read of a channel by its name, as for short polling (PROTOCOL.md §5).
 * @module
 */
import { type Reading, readAll } from '../keyed/read-keyed.ts';
import type { Channel } from './channel.ts';
import { find, keepAlive } from './lifecycle.ts';
import type { Log } from './log-ports.ts';
import type { From, ReadResult } from './read-log.ts';

/**
 * Reads a page of a channel, and restarts its idle time.
 * @param reading how it reads
 * @throws Refusal channel_not_found, offset_gone, bad_offset, bad_request, unavailable
 */
export async function catchUp(
  log: Log,
  name: string,
  from: From,
  reading: Reading = readAll,
): Promise<{ readonly channel: Channel; readonly result: ReadResult }> {
  const channel = await find(log, name);
  await keepAlive(log, channel);
  return { channel, result: await reading(log, channel, from) };
}

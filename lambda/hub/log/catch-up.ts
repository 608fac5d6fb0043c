/**
 * Catch up: one read of a channel by its name, as for short polling (PROTOCOL.md §5).
 * @module
 */
import type { Channel } from './channel.ts';
import { find, keepAlive } from './lifecycle.ts';
import type { Log } from './log-ports.ts';
import { type From, type ReadResult, read } from './read-log.ts';

/**
 * Reads a page of a channel, and restarts its idle time.
 * @throws Refusal channel_not_found, offset_gone, bad_offset, unavailable
 */
export async function catchUp(
  log: Log,
  name: string,
  from: From,
): Promise<{ readonly channel: Channel; readonly result: ReadResult }> {
  const channel = await find(log, name);
  await keepAlive(log, channel);
  return { channel, result: await read(log, channel, from) };
}

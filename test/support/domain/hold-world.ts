/**
 * Held reads of a log in memory, in virtual time.
 * @module
 */
import type { FollowOptions } from '../../../lambda/hub/hold/follow-channels.ts';
import type { Hold } from '../../../lambda/hub/hold/held-read.ts';
import { rereading } from '../../../lambda/hub/hold/reread.ts';
import { sharingReads } from '../../../lambda/hub/hold/shared-reads.ts';
import type { Log } from '../../../lambda/hub/log/log-ports.ts';
import { publish } from './json-log.ts';
import { type MemoryLog, memoryLog } from './memory-log.ts';
import { type VirtualTime, virtualTime } from './virtual-time.ts';

export const never = new AbortController().signal;

export interface World {
  readonly log: MemoryLog;
  readonly time: VirtualTime;
  readonly hold: Hold;
  /** Publishes after a pause. */
  readonly later: (ms: number, ...messages: unknown[]) => Promise<void>;
}

export function world(channelCreation: Log['channelCreation'] = 'implicit'): World {
  const log = memoryLog({ channelCreation });
  const time = virtualTime();
  const start = log.now;
  // The clock follows the timer, unless a test sets it.
  let set = 0;
  Object.defineProperty(log, 'now', {
    get: () => start + set + time.now(),
    set: (to: number) => (set = to - start - time.now()),
  });
  const shared = sharingReads(log, time.turn);
  const hold = { log: shared, timer: time, wake: rereading({ log: shared, timer: time }) };
  const later = async (ms: number, ...messages: unknown[]) => {
    await time.sleep(ms, never);
    await publish(log, ...messages);
  };
  return { log, time, hold, later };
}

/** Options of a stream as deployed by default. */
export const options: FollowOptions = { lifetimeMs: 60_000, heartbeatMs: 15_000, signal: never };

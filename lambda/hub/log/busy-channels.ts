/**
 * Spares channels that are busy. DynamoDB takes about 1,000 claims a second of one channel, and throttles the others. The client
 * repeats a throttled claim twice, with pauses of up to three seconds together, in which the environment serves nothing else. Three
 * thousand publishes a second to one channel would need thousands of environments, more than the account has, so that all other
 * channels of the hub would fail too. So a process refuses further claims of the channel at once, as long as the callers are
 * asked to wait. A claim is the first write of a publish: nothing is lost, and no slot remains empty.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { RETRY_AFTER_SECONDS } from '../../../protocol/limits.ts';
import type { ChannelStore, Clock } from './log-ports.ts';

/** How long a busy channel is left alone, in milliseconds. A caller that follows Retry-After comes after it. */
export const SPARED_MS = RETRY_AFTER_SECONDS * 1_000;

/** The most channels that a process remembers. */
export const REMEMBERED = 1_000;

/** Returns the store with a `reserve` that refuses claims of channels that were busy less than SPARED_MS ago. */
export function sparingBusyChannels(store: ChannelStore, clock: Clock): ChannelStore {
  /** Channel → when a claim of it failed. The one that failed last is the last. */
  const busy = new Map<string, number>();

  function isBusy(channel: string): boolean {
    const at = busy.get(channel);
    // A clock that was set back must not make it longer.
    if (at !== undefined && Math.abs(clock() - at) < SPARED_MS) return true;
    busy.delete(channel);
    return false;
  }
  function remember(channel: string): void {
    busy.delete(channel);
    const [oldest] = busy.keys();
    if (oldest !== undefined && busy.size >= REMEMBERED) busy.delete(oldest);
    busy.set(channel, clock());
  }
  return {
    ...store,
    async reserve(claim) {
      const { channel } = claim;
      if (isBusy(channel))
        throw new Refusal('unavailable', 'the channel was busy less than a second ago; retry');
      try {
        return await store.reserve(claim);
      } catch (error) {
        if (error instanceof Refusal && error.code === 'unavailable') remember(channel);
        throw error;
      }
    },
  };
}

/**
 * The log in memory, for tests of the domain: the ports' promises in the fewest lines, a clock that stands still until
 * it is told otherwise, and a hook before and after every store call for whoever wants to crash there.
 * @module
 */
import { type Channel, isAlive, mediaType } from '../../lambda/hub/channel.ts';
import type { Entry } from '../../lambda/hub/entry.ts';
import type { ChannelStore, EntryStore, Log } from '../../lambda/hub/ports.ts';

/** Called around each store call with a name such as `before entries.put`. */
export type Hook = (moment: string) => Promise<void> | void;

export interface MemoryLog extends Log {
  now: number;
  hook: Hook;
  /** Entries by slot, for tests that break or age them by hand. */
  readonly slots: (streamId: string) => Map<number, Entry>;
}

const PAGE_ENTRIES = 50;

export function memoryLog(options: Partial<Pick<Log, 'channelCreation' | 'retentionMs'>> = {}): MemoryLog {
  let ids = 0;
  const log: MemoryLog = {
    now: Date.UTC(2026, 0, 1),
    hook: () => {},
    clock: () => log.now,
    newId: () => `id-${++ids}`,
    channelCreation: 'implicit',
    retentionMs: 7 * 86_400_000,
    channels: hooked('channels', channelStore(), () => log.hook),
    entries: hooked(
      'entries',
      entryStore((streamId) => log.slots(streamId)),
      () => log.hook,
    ),
    slots: memoizedSlots(),
    ...options,
  };
  return log;
}

function memoizedSlots(): MemoryLog['slots'] {
  const streams = new Map<string, Map<number, Entry>>();
  return (streamId) => {
    const slots = streams.get(streamId) ?? new Map<number, Entry>();
    streams.set(streamId, slots);
    return slots;
  };
}

function channelStore(): ChannelStore {
  const channels = new Map<string, Channel>();
  const lastSeq = new Map<string, string>();
  const isFree = (name: string, now: number) => {
    const channel = channels.get(name);
    return channel === undefined || !isAlive(channel, now);
  };
  return {
    get: async (name) => channels.get(name),
    async create(channel, now) {
      if (!isFree(channel.name, now)) return false;
      channels.set(channel.name, channel);
      return true;
    },
    async reserve({ channel: name, contentType, seq, now, fresh }) {
      const channel = channels.get(name) ?? fresh;
      if (!channel || !isAlive(channel, now) || mediaType(channel.contentType) !== mediaType(contentType))
        return;
      const last = lastSeq.get(channel.streamId);
      if (seq !== undefined && last !== undefined && Buffer.compare(Buffer.from(last), Buffer.from(seq)) >= 0)
        return;
      if (seq !== undefined) lastSeq.set(channel.streamId, seq);
      const claimed = { ...channel, next: channel.next + 1, claimedAt: now };
      channels.set(name, claimed);
      return claimed;
    },
    async touch({ name, streamId }, aliveUntil) {
      const channel = channels.get(name);
      if (channel?.streamId === streamId) channels.set(name, { ...channel, aliveUntil });
    },
    remove: async (name, now) => !isFree(name, now) && channels.delete(name),
  };
}

function entryStore(slotsOf: MemoryLog['slots']): EntryStore {
  const sorted = (streamId: string) => [...slotsOf(streamId).values()].sort((a, b) => a.slot - b.slot);
  return {
    async put(streamId, entry) {
      const slots = slotsOf(streamId);
      if (!slots.has(entry.slot)) slots.set(entry.slot, entry);
      return slots.get(entry.slot)?.id === entry.id;
    },
    async page(streamId, slot) {
      const rest = sorted(streamId).filter((entry) => entry.slot >= slot);
      return { entries: rest.slice(0, PAGE_ENTRIES), more: rest.length > PAGE_ENTRIES };
    },
    nearest: async (streamId, slot, side) =>
      side === 'from'
        ? sorted(streamId).find((entry) => entry.slot >= slot)
        : sorted(streamId).findLast((entry) => entry.slot < slot),
  };
}

/** Every method of a store, with the hook around it. */
function hooked<T extends object>(name: string, store: T, hook: () => Hook): T {
  return new Proxy(store, {
    get(target, method, receiver) {
      const original: unknown = Reflect.get(target, method, receiver);
      if (typeof original !== 'function') return original;
      return async (...args: unknown[]) => {
        await hook()(`before ${name}.${String(method)}`);
        const result: unknown = await Reflect.apply(original, target, args);
        await hook()(`after ${name}.${String(method)}`);
        return result;
      };
    },
  });
}

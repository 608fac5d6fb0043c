/**
 * The log in memory, for tests of the domain: the promises of the ports in few lines, a clock that stands still until a test sets it,
 * and a hook before and after every store call, where a test can crash.
 * @module
 */
import { recent } from '../../../lambda/hub/bounded-map.ts';
import { type Channel, isAlive, mediaType } from '../../../lambda/hub/log/channel.ts';
import type { Entry } from '../../../lambda/hub/log/entry.ts';
import type {
  ChannelStore,
  Claim,
  EntryStore,
  KeyRecord,
  KeyStore,
  Log,
  Publishing,
  SendHint,
} from '../../../lambda/hub/log/log-ports.ts';
import {
  epochMark,
  MARKS_PER_PRODUCER,
  seqMark,
  slotMark,
  timeMark,
} from '../../../lambda/hub/log/producer.ts';
import { MAX_PRODUCERS } from '../../../protocol/limits.ts';
import { memorySnapshots } from './memory-snapshots.ts';

/** Called around each store call with a name such as `before entries.put`. */
export type Hook = (moment: string) => Promise<void> | void;

export interface MemoryLog extends Publishing {
  now: number;
  hook: Hook;
  /** Hints that were sent. */
  readonly hints: Parameters<SendHint>[0][];
  /** Entries by slot, for tests that break or age them by hand. */
  readonly slots: (streamId: string) => Map<number, Entry>;
}

const PAGE_ENTRIES = 50;

export function memoryLog(options: Partial<Pick<Log, 'channelCreation' | 'retentionMs'>> = {}): MemoryLog {
  let ids = 0;
  const log: MemoryLog = {
    // So early that slots begin at 1, which is easy to read.
    now: Date.UTC(2020, 0, 1),
    hook: () => {},
    clock: () => log.now,
    hints: [],
    async hint(hint) {
      await log.hook('before hint');
      log.hints.push(hint);
      await log.hook('after hint');
    },
    streamKeys: recent(1_000),
    newId: () => `id-${++ids}`,
    channelCreation: 'implicit',
    retentionMs: 7 * 86_400_000,
    channels: hooked('channels', channelStore(), () => log.hook),
    keys: hooked('keys', keyStore(), () => log.hook),
    snapshots: hooked('snapshots', memorySnapshots(), () => log.hook),
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
    async reserve(claim) {
      const there = channels.get(claim.channel);
      const channel = there ?? (claim.producer || claim.seq !== undefined ? undefined : claim.fresh);
      if (!channel || (there && !isGranted(there, claim))) return undefined;
      const claimed = { ...channel, ...changesOf(channel, claim) };
      channels.set(claim.channel, claimed);
      return claimed;
    },
    async list(prefix, after, most) {
      const names = [...channels.keys()].sort();
      const rest = names.filter((name) => name.startsWith(prefix) && (after === undefined || name > after));
      const found = rest.slice(0, most).flatMap((name) => channels.get(name) ?? []);
      return { channels: found, after: rest.length > most ? found.at(-1)?.name : undefined };
    },
    async touch({ name, streamId }, aliveUntil, now) {
      const channel = channels.get(name);
      if (channel?.streamId === streamId && isAlive(channel, now) && aliveUntil > (channel.aliveUntil ?? 0))
        channels.set(name, { ...channel, aliveUntil });
    },
    async beginEpoch({ name, streamId, claimedAt }, now, keptUntil) {
      const channel = channels.get(name);
      if (channel?.streamId !== streamId || channel.claimedAt !== claimedAt) return;
      channels.set(name, { ...channel, floor: channel.next, floorAt: now, claimedAt: now, keptUntil });
    },
    async forgetProducer({ name, streamId }, { id, since, marks }) {
      const channel = channels.get(name);
      if (channel?.streamId !== streamId || channel.producers[timeMark(id)] !== since) return;
      const others = Object.entries(channel.producers).filter(([mark]) => !marks.includes(mark));
      channels.set(name, { ...channel, producers: Object.fromEntries(others) });
    },
    async remove({ name, streamId }) {
      if (channels.get(name)?.streamId === streamId) channels.delete(name);
    },
  };
}

function isGranted(
  channel: Channel,
  { contentType, streamKey, seq, producer, replaces, now, silentSince }: Claim,
): boolean {
  if (channel.closed || !isAlive(channel, now) || channel.claimedAt <= silentSince) return false;
  if (contentType !== undefined && mediaType(channel.contentType) !== mediaType(contentType)) return false;
  if (contentType !== undefined && channel.streamKey !== streamKey) return false;
  if (
    seq !== undefined &&
    replaces !== undefined &&
    (channel.lastSeq !== seq || channel.lastSeqSlot !== replaces)
  )
    return false;
  if (seq !== undefined && replaces === undefined && channel.lastSeq !== undefined && seq <= channel.lastSeq)
    return false;
  if (!producer) return true;
  const { id, epoch, seq: number } = producer;
  const marks = channel.producers;
  const lastEpoch = marks[epochMark(id)];
  if (replaces !== undefined) return lastEpoch === epoch && marks[slotMark(id, number)] === replaces;
  if (number > 0) return lastEpoch === epoch && marks[seqMark(id)] === number - 1;
  if (lastEpoch !== undefined) return lastEpoch < epoch;
  return Object.keys(marks).length < MAX_PRODUCERS * MARKS_PER_PRODUCER;
}

function changesOf(
  channel: Channel,
  { id: claimId, seq, close, producer, replaces, slots, now }: Claim,
): Partial<Channel> {
  const { id = '', epoch = 0, seq: number = 0 } = producer ?? {};
  const slot = slots === 1 ? { [slotMark(id, number)]: channel.next } : {};
  const moved =
    replaces === undefined ? { [epochMark(id)]: epoch, [seqMark(id)]: number, [timeMark(id)]: now } : {};
  return {
    next: channel.next + slots,
    claimedAt: now,
    ...(seq === undefined ? {} : { lastSeq: seq, lastSeqSlot: channel.next }),
    ...(close ? { closed: true, closedBy: claimId } : {}),
    ...(producer ? { producers: { ...channel.producers, ...moved, ...slot } } : {}),
  };
}

function keyStore(): KeyStore {
  const keys = new Map<string, KeyRecord & { readonly expiresAt: number }>();
  return {
    async get(key, now) {
      const record = keys.get(key);
      return record && record.expiresAt > now ? record : undefined;
    },
    async put(key, record, now, expiresAt) {
      if ((keys.get(key)?.expiresAt ?? 0) > now) return false;
      keys.set(key, { ...record, expiresAt });
      return true;
    },
    async move(key, from, to) {
      const record = keys.get(key);
      if (record?.slot === to) return true;
      if (record?.slot !== from) return false;
      keys.set(key, { ...record, slot: to });
      return true;
    },
  };
}

function entryStore(slotsOf: MemoryLog['slots']): EntryStore {
  const sorted = (streamId: string) => [...slotsOf(streamId).values()].sort((a, b) => a.slot - b.slot);
  return {
    async put(streamId, entry) {
      const slots = slotsOf(streamId);
      const there = slots.get(entry.slot);
      if (there) return there.id === entry.id && 'there';
      slots.set(entry.slot, entry);
      return 'written';
    },
    async page(streamId, slot) {
      const rest = sorted(streamId).filter((entry) => entry.slot >= slot);
      return { entries: rest.slice(0, PAGE_ENTRIES), more: rest.length > PAGE_ENTRIES };
    },
    async before(streamId, slot, most) {
      const below = sorted(streamId).filter((entry) => entry.slot < slot);
      const page = Math.min(most, PAGE_ENTRIES);
      return { entries: below.reverse().slice(0, page), more: below.length > page };
    },
    nearest: async (streamId, slot, side) =>
      side === 'from'
        ? sorted(streamId).find((entry) => entry.slot >= slot)
        : sorted(streamId).findLast((entry) => entry.slot < slot),
  };
}

/** Returns the store with the hook around every method. */
export function hooked<T extends object>(name: string, store: T, hook: () => Hook): T {
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

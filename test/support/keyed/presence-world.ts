/**
 * Presence in virtual time: rows of members, a queue of looks that doubles and delivers again, settlers that die at a chosen call, and
 * the presence channel as its readers see it (PROTOCOL.md §14).
 * @module
 */
import { catchUp } from '../../../lambda/hub/log/catch-up.ts';
import {
  type Arriving,
  enter,
  leave,
  rollOf,
  seen,
  shownValue,
} from '../../../lambda/hub/presence/members.ts';
import { presenceCopy } from '../../../lambda/hub/presence/presence-copy.ts';
import type {
  Member,
  MemberStore,
  Noting,
  SettleLeases,
  SettleRow,
  SettleState,
  Settling,
} from '../../../lambda/hub/presence/presence-ports.ts';
import { BLANK, settle } from '../../../lambda/hub/presence/settle.ts';
import { Refusal } from '../../../protocol/errors.ts';
import { PRESENCE_KEPT_MS } from '../../../protocol/limits.ts';
import { presenceChannel } from '../../../protocol/presence.ts';
import { type Lateness, lateWrites } from '../domain/late-writes.ts';
import { memoryLeases } from '../domain/memory-leases.ts';
import { hooked, type MemoryLog, memoryLog } from '../domain/memory-log.ts';
import { type VirtualTime, virtualTime } from '../domain/virtual-time.ts';

const never = new AbortController().signal;

/** After this time the queue delivers a message again whose process died, in milliseconds (lib/messaging/presence-queue.ts). */
const REDELIVERY_MS = 30_000;

/** The time that a process has left when it begins, in milliseconds. */
const PROCESS_MS = 10_000;

const MEMBER_WRITES = ['put', 'extend', 'remove'];
const LEASE_WRITES = ['take', 'ask', 'commit', 'release', 'guard'];

/** The members of all channels in memory. */
export function memoryMembers(): MemberStore {
  const channels = new Map<string, Map<string, Member>>();
  const rowsOf = (channel: string) => {
    const rows = channels.get(channel) ?? new Map<string, Member>();
    channels.set(channel, rows);
    return rows;
  };
  return {
    get: async (channel, id) => rowsOf(channel).get(id),
    async put(channel, member) {
      const there = rowsOf(channel).get(member.id);
      if (!there || there.at <= member.at) rowsOf(channel).set(member.id, member);
    },
    async extend(channel, { id, since, until, keptUntil, at }) {
      const there = rowsOf(channel).get(id);
      if (there?.since === since && there.at <= at)
        rowsOf(channel).set(id, { ...there, until, keptUntil, at });
    },
    async remove(channel, id, by) {
      const there = rowsOf(channel).get(id);
      if (there && there.since <= by) rowsOf(channel).delete(id);
    },
    of: async (channel) => [...rowsOf(channel).values()],
  };
}

/** The leases of settlers in memory. */
export function memorySettleLeases(): SettleLeases {
  type Row = Omit<SettleRow, 'asks'>;
  const { store, change } = memoryLeases<string, SettleState, Row>({
    keyOf: (channel) => channel,
    blank: { ...BLANK, guardedUntil: 0 },
    stateOf: ({ lookAt, isEmpty }) => ({ lookAt, isEmpty }),
    takenOf: (row) => row,
    rowOf: (row) => row,
  });
  return {
    ...store,
    async guard(channel, until) {
      const row = await store.get(channel);
      if (row?.owner !== undefined)
        change(channel, row.owner, { guardedUntil: Math.max(until, row.guardedUntil) });
    },
  };
}

export interface PresenceWorld extends Lateness {
  readonly log: MemoryLog;
  readonly time: VirtualTime;
  readonly members: MemberStore;
  /** The process that makes the nth call from now on dies at it. */
  crashAt: number | undefined;
  /** Calls since `crashAt` was set. */
  calls: number;
  /** Part of the calls that are refused as busy, 0 to 1. */
  throttle: number;
  /** Looks that are under way, and settlers at work. */
  waiting: number;
  /** Errors of settlers that are no crash. */
  readonly failures: unknown[];
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** A process notes; each may die. */
  readonly enter: (channel: string, id: string, more?: Partial<Arriving>) => Promise<void>;
  readonly seen: (channel: string, id: string, until: number) => Promise<void>;
  readonly leave: (channel: string, id: string) => Promise<void>;
  /** What the readers of the presence channel know: id → value. */
  readonly shown: (channel: string) => Promise<Record<string, string>>;
  /** Returns the members of the channel by the rows: id → value. */
  readonly present: (channel: string) => Promise<Record<string, string>>;
  /** The operations that were published, in order: `insert a`. */
  readonly published: (channel: string) => Promise<readonly string[]>;
}

export class Crash extends Error {}

export interface PresenceWorldOptions {
  readonly random: () => number;
  /** Longest latency of a call, in milliseconds. */
  readonly latencyMs?: number;
  /** Part of the looks that the queue delivers twice. */
  readonly duplicates?: number;
}

export function presenceWorld({
  random,
  latencyMs = 20,
  duplicates = 0,
}: PresenceWorldOptions): PresenceWorld {
  const time = virtualTime();
  const log = memoryLog();
  const start = log.now;
  Object.defineProperty(log, 'now', { get: () => start + Math.floor(time.now()) });
  const lag = () => time.sleep(Math.floor(random() * latencyMs), never);
  const members = memoryMembers();
  const lateness = { time, random, of: () => world };
  const lateMembers = lateWrites(members, MEMBER_WRITES, lateness);
  const leases = lateWrites(memorySettleLeases(), LEASE_WRITES, lateness);

  const looks = {
    async send(channel: string, delayMs: number) {
      for (let copies = random() < duplicates ? 2 : 1; copies > 0; copies--) {
        world.waiting++;
        void deliver(channel, delayMs + random() * latencyMs * 4);
      }
    },
  };
  const deliver = async (channel: string, delayMs: number): Promise<void> => {
    await time.sleep(delayMs, never);
    try {
      await settle(process(), channel, log.now + PROCESS_MS);
      world.waiting--;
    } catch (error) {
      if (!(error instanceof Crash || error instanceof Refusal)) world.failures.push(error);
      void deliver(channel, REDELIVERY_MS);
    }
  };

  /** Returns the parts of one invocation. All its calls fail from the one at which it dies. */
  const process = (): Settling & Noting => {
    let isDead = false;
    const hook = async (): Promise<void> => {
      await lag();
      if (!isDead && world.crashAt !== undefined && ++world.calls === world.crashAt) isDead = true;
      if (isDead) throw new Crash();
      if (world.throttle > 0 && random() < world.throttle) throw new Refusal('unavailable', 'busy');
    };
    const own = <T extends object>(name: string, store: T) => hooked(name, store, () => hook);
    const hubLog = {
      ...log,
      channels: own('channels', log.channels),
      entries: own('entries', log.entries),
      hint: async () => await hook(),
      clock: () => log.now,
    };
    return {
      patterns: ['*'],
      members: own('members', lateMembers),
      leases: own('leases', leases),
      looks: own('looks', looks),
      copy: presenceCopy(hubLog),
      clock: () => log.now,
      newId: log.newId,
    };
  };

  const world: PresenceWorld = {
    log,
    time,
    members,
    crashAt: undefined,
    calls: 0,
    throttle: 0,
    slow: 0,
    unanswered: 0,
    waiting: 0,
    failures: [],
    now: () => log.now,
    sleep: (ms) => time.sleep(ms, never),
    enter: (channel, id, more = {}) =>
      enter(process(), channel, {
        id,
        principal: undefined,
        transport: 'websocket',
        data: 'null',
        until: log.now + PRESENCE_KEPT_MS,
        keptUntil: log.now + 7_200_000,
        ...more,
      }),
    seen: (channel, id, until) => seen(process(), channel, id, until),
    leave: (channel, id) => leave(process(), channel, id),
    shown: async (channel) => Object.fromEntries(await presenceCopy(log).shown(channel)),
    async present(channel) {
      const { members: there } = await rollOf({ members, clock: () => log.now }, channel, 1_000);
      return Object.fromEntries(there.map((member) => [member.id, shownValue(member)]));
    },
    async published(channel) {
      const { result } = await catchUp(log, presenceChannel(channel), 'beginning');
      return result.messages.map((message) => {
        const { key, headers } = JSON.parse(String(message));
        return `${headers.operation} ${key}`;
      });
    },
  };
  return world;
}

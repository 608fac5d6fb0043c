/**
 * PROTOCOL.md §5.4: what a reader has who joins at a random moment, against the fold of everything, over random histories in virtual
 * time: with several publishers, gaps, removals, epochs, deletions, closings, the retention, and folds that overlap and die.
 * SEED repeats a run.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { foldChannel } from '../../../../lambda/hub/keyed/fold-channel.ts';
import { onRemoved, removeWithSnapshot } from '../../../../lambda/hub/keyed/remove-keyed.ts';
import { append } from '../../../../lambda/hub/log/append.ts';
import { find } from '../../../../lambda/hub/log/lifecycle.ts';
import { readOnce } from '../../../../lambda/hub/log/read-before.ts';
import type { From, ReadResult } from '../../../../lambda/hub/log/read-log.ts';
import { Refusal } from '../../../../protocol/errors.ts';
import { GAP_GRACE_MS } from '../../../../protocol/limits.ts';
import { formatOffset, isBefore } from '../../../../protocol/offset.ts';
import { never } from '../../../support/domain/hold-world.ts';
import { CHANNEL, requestOf } from '../../../support/domain/json-log.ts';
import {
  createKeyed,
  foldTasks,
  keyValue,
  processOf,
  publishValues,
  take,
  truth,
  type Value,
} from '../../../support/domain/keyed-world.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';
import { seededRandom } from '../../../support/domain/random.ts';
import { type VirtualTime, virtualTime } from '../../../support/domain/virtual-time.ts';
import { share } from '../../../support/thorough.ts';

const RETENTION_MS = 3_600_000;
const SCHEDULES = share(10_000);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'];

class Crash extends Error {}

interface World {
  readonly log: MemoryLog;
  readonly time: VirtualTime;
  readonly random: () => number;
  readonly pause: (mostMs: number) => Promise<void>;
  readonly jump: (ms: number) => void;
  readonly folds: ReturnType<typeof foldTasks>;
  streamId: string;
  n: number;
}

function worldOf(seed: number): World {
  const random = seededRandom(seed);
  const log = memoryLog({ retentionMs: RETENTION_MS });
  const time = virtualTime();
  const start = log.now;
  let jumped = 0;
  Object.defineProperty(log, 'now', { get: () => start + jumped + Math.floor(time.now()) });
  return {
    log,
    time,
    random,
    pause: (mostMs) => time.sleep(random() * mostMs, never),
    jump: (ms) => {
      jumped += ms;
    },
    folds: foldTasks(),
    streamId: '',
    n: 0,
  };
}

/** Returns a process whose calls take time, and that may die. @param deaths part of the calls at which it dies */
function processIn(w: World, deaths = 0) {
  let isDead = false;
  return processOf(w.log, async (moment) => {
    await w.pause(20);
    isDead ||= moment.startsWith('before') && w.random() < deaths;
    if (isDead) throw new Crash();
  });
}

const orCrash = (error: unknown): void => {
  if (!(error instanceof Crash) && !(error instanceof Refusal)) throw error;
};

async function publisher(w: World): Promise<void> {
  for (let count = 1 + Math.floor(w.random() * 4); count > 0; count--) {
    await w.pause(2_000);
    const values = Array.from({ length: 1 + Math.floor(w.random() * 3) }, () => {
      const k = KEYS[Math.floor(w.random() * KEYS.length)] ?? '';
      return keyValue(k, w.n++, w.random() < 0.25);
    });
    await publishValues(processIn(w, 0.03), ...values).catch(orCrash);
  }
}

async function folder(w: World): Promise<void> {
  await w.pause(6_000);
  const log = processIn(w, 0.05);
  await foldChannel({ log, queue: w.folds }, CHANNEL, log.clock() + 1_000).catch(orCrash);
}

/** A reader with a position, and what it has by key. */
interface Reader {
  at: From;
  has: Map<string, Value>;
  /** Key → the place of its last message. */
  places: Map<string, string>;
  readonly isConflated: boolean;
}

async function step(w: World, reader: Reader): Promise<ReadResult | undefined> {
  const log = processIn(w);
  const limit = w.random() < 0.5 ? 1 + Math.floor(w.random() * 4) : undefined;
  try {
    const channel = await find(log, CHANNEL);
    const { isConflated } = reader;
    const result = await readOnce(log, channel, { from: reader.at, limit, isConflated });
    if (reader.at === 'latest' && limit === undefined && channel.streamId === w.streamId) {
      const expected = [...truth(w.log, w.streamId, result.next).values()];
      expect(result.messages.map((text) => JSON.parse(String(text)))).toEqual(expected);
    }
    let last = '';
    for (const [nth, { slot, first, messages }] of result.entries.entries())
      for (const [index, text] of messages.entries()) {
        const place = formatOffset({ entry: slot, index: first + index });
        const { k }: Value = JSON.parse(String(text));
        expect([nth, place > last, place > (reader.places.get(k) ?? '')]).toEqual([nth, true, true]);
        reader.places.set(k, place);
        last = place;
      }
    take(reader.has, result.messages);
    reader.at = result.next;
    return result;
  } catch (error) {
    if (!(error instanceof Refusal && error.code === 'offset_gone')) throw error;
    reader.at = 'latest';
    reader.has = new Map();
    reader.places = new Map();
    return undefined;
  }
}

async function readAlong(w: World, reader: Reader): Promise<void> {
  await w.pause(5_000);
  for (let steps = Math.floor(w.random() * 6); steps > 0; steps--) {
    await step(w, reader);
    await w.pause(1_000);
  }
}

/** Reads to the end, and compares. */
async function finish(w: World, reader: Reader): Promise<void> {
  for (;;) {
    const result = await step(w, reader);
    if (result?.upToDate) {
      expect(new Map([...reader.has].sort())).toEqual(
        new Map([...truth(w.log, w.streamId, result.next)].sort()),
      );
      return;
    }
    await w.pause(500);
  }
}

/** Folds until nothing is left, as a queue that delivers every message does. */
async function settle(w: World): Promise<void> {
  await w.time.sleep(GAP_GRACE_MS + 2_000, never);
  const log = processIn(w);
  for (;;) {
    await foldChannel({ log, queue: w.folds }, CHANNEL, log.clock() + 60_000);
    for (const task of w.folds.tasks.splice(0))
      if (task.kind === 'removed') await onRemoved({ log, queue: w.folds }, task);
    // A publisher that died at the last slot has left nothing to fold.
    const stored = 1 + Math.max(-1, ...w.log.slots(w.streamId).keys());
    const head = await w.log.snapshots.head(w.streamId);
    const isThere = (await w.log.channels.get(CHANNEL)) !== undefined;
    const isAll = !isThere || stored === 0 || (head !== undefined && head.end.entry >= stored);
    if (isAll && w.folds.tasks.length === 0) return;
    await w.time.sleep(GAP_GRACE_MS, never);
  }
}

async function live(w: World): Promise<void> {
  const readers: Reader[] = [];
  w.streamId = await createKeyed(w.log);
  for (let era = 0; era < 3; era++) {
    const joining = Array.from({ length: 3 }, () => ({
      at: 'latest' as const,
      has: new Map<string, Value>(),
      places: new Map<string, string>(),
      isConflated: w.random() < 0.3,
    }));
    readers.push(...joining);
    await Promise.all([
      publisher(w),
      publisher(w),
      folder(w),
      folder(w),
      ...readers.map((reader) => readAlong(w, reader)),
    ]);
    await settle(w);
    const what = w.random();
    if (what < 0.4) w.jump(Math.floor(w.random() * 1.5 * RETENTION_MS));
    else if (what < 0.5) {
      const former = w.streamId;
      await removeWithSnapshot(processIn(w), w.folds.send, CHANNEL);
      await settle(w);
      expect([await w.log.snapshots.head(former), await w.log.snapshots.chunks(former)]).toEqual([
        undefined,
        [],
      ]);
      w.streamId = await createKeyed(w.log);
    } else if (what < 0.6 && era === 2) await append(processIn(w), requestOf([], { close: true }));
  }
  for (const reader of readers) await finish(w, reader);
  const end = (await w.log.channels.get(CHANNEL))?.next ?? 0;
  const head = await w.log.snapshots.head(w.streamId);
  if (head) expect(isBefore({ entry: end, index: 0 }, head.end)).toBe(false);
}

describe(`${SCHEDULES} random histories (SEED=${SEED})`, () => {
  test('every reader who joins at latest has the fold of everything', async () => {
    for (let nth = 0; nth < SCHEDULES; nth++) {
      const seed = SEED + nth;
      const w = worldOf(seed);
      try {
        await w.time.until(live(w));
      } catch (error) {
        throw new Error(`SEED=${seed}`, { cause: error });
      }
    }
  }, 300_000);
});

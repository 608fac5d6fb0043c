/**
 * Random days of a hub: clients subscribe, publishers publish, close and die, channels are deleted and made again, hints are lost,
 * late and repeated with their old entries, and calls fail, all at random. Every frame must have what the log has in its place.
 * When the failures are over, every subscriber must have every message, in contiguous frames, and a silent hub must cost nothing
 * (PROTOCOL.md §12.3, §12.4). FUZZ_SEED repeats a run, FUZZ_DAYS makes it longer.
 * @module
 */
import { expect, test } from 'vitest';
import { append } from '../../../../lambda/hub/log/append.ts';
import { remove } from '../../../../lambda/hub/log/lifecycle.ts';
import { ENTRY_FRESH_MS } from '../../../../lambda/hub/push/in-step.ts';
import type { Posted } from '../../../../lambda/hub/push/push-ports.ts';
import { BEGINNING, formatOffset, isBefore, parseOffset } from '../../../../protocol/offset.ts';
import { requestOf } from '../../../support/domain/json-log.ts';
import type { Client } from '../../../support/domain/push-client.ts';
import { around, storesOf } from '../../../support/domain/push-trouble.ts';
import { pushWorld, type World } from '../../../support/domain/push-world.ts';
import { seededRandom } from '../../../support/domain/random.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const DAYS = Number(process.env.FUZZ_DAYS ?? 150);

const CHANNELS = ['chat/a', 'chat/b'];
const PATTERNS = [...CHANNELS, 'chat/*'];
/** The result of posts to a client for a while; undefined for no failures. */
const MOODS: readonly (readonly Posted[] | undefined)[] = [
  ['busy'],
  ['unsure'],
  ['busy', 'unsure', 'sent'],
  ['sent', 'sent', 'unsure'],
  undefined,
  undefined,
];

interface Day {
  readonly w: World;
  readonly random: () => number;
  readonly clients: readonly Client[];
  /** Client and pattern → time at which the subscription was confirmed. */
  readonly subscribed: Map<string, { client: Client; pattern: string; at: number }>;
  readonly offsets: Map<string, string[]>;
  published: number;
  /** True for a day on which channels are deleted. */
  readonly isDeleting: boolean;
  /** What each channel has been, over all its lives. */
  readonly lives: Map<string, Life[]>;
  /** Frames that differ from the log, or that came long after their channel was deleted. */
  readonly wrong: string[];
}

/** One life of a channel. */
interface Life {
  readonly streamId: string;
  readonly origin: number;
  endedAt: number | undefined;
}

/**
 * The longest time after a deletion at which a frame of the channel may arrive, in milliseconds: the age of an entry in a hint, what
 * a pass may post after that, and the slowest post.
 */
const AFTER_DELETION_MS = ENTRY_FRESH_MS + 4_500 + 10_000;

const pick = <T>(random: () => number, list: readonly T[]): T | undefined =>
  list[Math.floor(random() * list.length)];

async function publishSome(day: Day, close: boolean): Promise<void> {
  const { w, random, offsets } = day;
  const channel = pick(random, CHANNELS) ?? '';
  const isBig = random() < 0.5;
  const count = close && random() < 0.5 ? 0 : 1 + Math.floor(random() * (isBig ? 9 : 3));
  const messages = Array.from({ length: count }, () => [
    day.published++,
    'x'.repeat(isBig ? Math.floor(random() * 20_000) : 0),
  ]);
  const done = await append(w.log, requestOf(messages, { channel, close })).catch(refused);
  if (done) offsets.set(channel, [...(offsets.get(channel) ?? []), done.nextOffset]);
}

async function subscribeSomeone({ w, random, clients, subscribed, offsets }: Day): Promise<void> {
  const client = pick(random, clients);
  const pattern = pick(random, PATTERNS) ?? '';
  if (!client || subscribed.has(`${client.id} ${pattern}`)) return;
  const known = parseOffset(pick(random, offsets.get(pattern) ?? []) ?? '') ?? 'beginning';
  const from = pattern.endsWith('*') || random() < 0.4 ? 'now' : random() < 0.5 ? 'beginning' : known;
  subscribed.set(`${client.id} ${pattern}`, { client, pattern, at: Number.POSITIVE_INFINITY });
  if (await w.subscribe(client, pattern, from).catch(refused))
    subscribed.set(`${client.id} ${pattern}`, { client, pattern, at: w.log.now });
  else subscribed.delete(`${client.id} ${pattern}`);
}

/** Ignores refusals: they are expected. Any other error is a defect. */
function refused(error: unknown): undefined {
  if (!(error instanceof Error && 'code' in error)) throw error;
}

/** Publishes, and dies between the two writes. */
async function loseSome({ w, random }: Day): Promise<void> {
  const put = () => Promise.reject(new Error('crash'));
  const log = { ...w.log, clock: () => w.log.now, entries: { ...w.log.entries, put } };
  const channel = pick(random, CHANNELS) ?? '';
  await append(log, requestOf(['lost'], { channel })).catch(() => {});
}

function upset({ w, random, clients }: Day): void {
  const what = random();
  const client = pick(random, clients);
  if (what < 0.5 && client) {
    const mood = pick(random, MOODS);
    client.posted = mood && (() => pick(random, mood) ?? 'sent');
    if (random() < 0.1) client.slowMs = random() * 9_000;
  } else if (what < 0.7) {
    w.calls = 0;
    w.crashAt = 1 + Math.floor(random() * 30);
  } else if (what < 0.85) w.throttle = random() < 0.5 ? 0 : random() * 0.15;
  else {
    w.slow = random() < 0.3 ? 0 : random() * 0.4;
    w.unanswered = random() < 0.6 ? 0 : random() * 0.1;
  }
}

/** Notes each life of the channels, and compares each frame with the log. */
function watch({ w, lives, wrong }: Day): void {
  around(w.log.channels, 'reserve', (original) => async (claim) => {
    const channel = await original(claim);
    const known = lives.get(claim.channel) ?? [];
    if (channel && !known.some(({ streamId }) => streamId === channel.streamId)) {
      const { streamId, origin } = channel;
      lives.set(claim.channel, [...known, { streamId, origin, endedAt: undefined }]);
    }
    return channel;
  });
  // A client reads over HTTP at such a gap, and learns there that its offset is gone.
  w.mayJump = (channel, last, { from, next }) =>
    (lives.get(channel) ?? []).some(({ origin }) => {
      const first = formatOffset({ entry: origin, index: 0 });
      return first > last && next >= first && [first, formatOffset(BEGINNING)].includes(from);
    });
  w.onFrame = ({ id }, { channel, from, next, messages = [] }) => {
    // A frame without a message says only that the channel is closed.
    if (messages.length === 0) return;
    const [begin, end] = [parseOffset(from), parseOffset(next)];
    const life = lives.get(channel)?.findLast(({ origin }) => end && origin <= end.entry);
    if (!begin || !end || !life) return void wrong.push(`${id} ${channel} ${from} to ${next}: no such place`);
    const entries = [...w.log.slots(life.streamId).values()].sort((one, other) => one.slot - other.slot);
    const logged = entries.flatMap(({ slot, messages: all }) =>
      all.filter((_, index) => {
        const here = { entry: slot, index };
        return !isBefore(here, begin) && isBefore(here, end);
      }),
    );
    if (JSON.stringify(logged.map((text) => JSON.parse(String(text)))) !== JSON.stringify(messages))
      wrong.push(`${id} ${channel} ${from} to ${next}: not what the log has`);
    if (w.log.now - (life.endedAt ?? w.log.now) > AFTER_DELETION_MS)
      wrong.push(`${id} ${channel} ${from}: deleted ${w.log.now - (life.endedAt ?? 0)} ms ago`);
  };
}

/** Deletes a channel. The next publish makes it again. */
async function deleteOne({ w, random, lives }: Day): Promise<void> {
  const name = pick(random, CHANNELS) ?? '';
  const channel = await w.log.channels.get(name);
  const isDeleted = await remove(w.log, name).then(() => true, refused);
  const life = lives.get(name)?.find(({ streamId }) => streamId === channel?.streamId);
  if (isDeleted && life) life.endedAt ??= w.log.now;
}

/** Repeats an old hint with its entry, at once or late. */
function repeatHint({ w, random }: Day): void {
  const hint = pick(random, w.hints);
  if (hint) w.hint(hint, random() < 0.5 ? 0 : random() * 20_000);
}

async function live(day: Day): Promise<void> {
  const { w, random, clients } = day;
  const work: Promise<void>[] = [];
  for (let steps = 5 + random() * 40; steps > 0; steps--) {
    const what = random();
    // A channel that is closed has no later publish, whose hint would serve those that have missed one.
    if (what < 0.4) work.push(publishSome(day, what < 0.02 && w.lost === 0));
    else if (what < 0.45) for (let n = 0; n < 6; n++) work.push(publishSome(day, false));
    else if (what < 0.7) work.push(subscribeSomeone(day));
    else if (what < 0.75) work.push(loseSome(day));
    else if (what < 0.83) repeatHint(day);
    else if (what < 0.86 && day.isDeleting) work.push(deleteOne(day));
    else upset(day);
    const pause = random();
    await w.sleep(pause < 0.5 ? random() * 30 : pause < 0.9 ? random() * 300 : random() * 5_000);
  }
  await Promise.all(work);
  for (const client of clients) client.posted = undefined;
  w.throttle = 0;
  w.slow = 0;
  w.unanswered = 0;
  w.crashAt = undefined;
  w.lost = 0;
  await w.idle(1_200_000);
  // All late writes have been carried out. A member that one of them moved to a wrong position misses something of this.
  await w.sleep(10_000);
  for (const channel of CHANNELS) await append(w.log, requestOf(['last'], { channel })).catch(refused);
  await w.idle(1_200_000);
}

/** Returns the entries that a subscriber should have and does not have. */
async function missing({ w, subscribed }: Day): Promise<string[]> {
  const found: string[] = [];
  for (const { client, pattern, at } of subscribed.values()) {
    for (const name of pattern.endsWith('*') ? CHANNELS : [pattern]) {
      const key = pattern === name ? name : `${pattern} ${name}`;
      const channel = await w.log.channels.get(name);
      const mine = client.next.get(key);
      const next = parseOffset(mine ?? '') ?? { entry: 0, index: 0 };
      const entries = channel ? [...w.log.slots(channel.streamId).values()] : [];
      const left = entries.filter(({ slot, messages, time }) => {
        const isAhead = slot >= next.entry && messages.length > (slot === next.entry ? next.index : 0);
        return isAhead && (pattern === name || mine !== undefined || time > at);
      });
      if (left.length > 0) found.push(`${client.id} ${key} at ${formatOffset(next)} lacks ${left.length}`);
    }
  }
  return found;
}

test(
  `${DAYS} random days`,
  async () => {
    console.info(`push-explore: FUZZ_SEED=${SEED}`);
    for (let seed = SEED; seed < SEED + DAYS; seed++) {
      const random = seededRandom(seed);
      const w = pushWorld({ random, latencyMs: 1 + Math.floor(random() * 25), duplicates: 0.2 });
      await w.time.until(
        (async () => {
          const clients = await Promise.all([w.client(), w.client(), w.client()]);
          const day: Day = {
            w,
            random,
            clients,
            subscribed: new Map(),
            offsets: new Map(),
            published: 0,
            isDeleting: random() < 0.5,
            lives: new Map(),
            wrong: [],
          };
          w.lost = random() < 0.5 ? 0 : 0.05;
          watch(day);
          // The slots of a channel begin with the milliseconds since then, and no life of a channel may be faster than that.
          await w.sleep(60_000);
          await live(day);
          expect(day.wrong, `FUZZ_SEED=${seed}`).toEqual([]);
          expect(await missing(day), `FUZZ_SEED=${seed}`).toEqual([]);
          expect(
            clients.flatMap(({ breaks }) => breaks),
            `FUZZ_SEED=${seed}`,
          ).toEqual([]);
          expect(w.failures.filter((error) => !(error instanceof Error && 'code' in error))).toEqual([]);
          let takes = 0;
          around(storesOf(w).cursors, 'take', (original) => async (...args) => {
            takes++;
            return await original(...args);
          });
          await w.sleep(3_600_000);
          expect(takes, `FUZZ_SEED=${seed}`).toBeLessThan(30);
        })(),
      );
    }
  },
  DAYS * 1_000,
);

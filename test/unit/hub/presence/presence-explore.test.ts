/**
 * Random schedules of presence: sockets and readers over HTTP come, change what they say, ping, leave, die without a word and come again,
 * while processes die, stores are busy or carry out writes late, and looks come twice. When all has settled, the presence channel shows exactly the
 * connections that live, and when all have gone, nobody, and nothing is under way (PROTOCOL.md §14). FUZZ_SEED repeats a run.
 * @module
 */
import { expect, test } from 'vitest';
import { Refusal } from '../../../../protocol/errors.ts';
import { PRESENCE_KEPT_MS, PRESENCE_RETURN_MS } from '../../../../protocol/limits.ts';
import { seededRandom } from '../../../support/domain/random.ts';
import { Crash, type PresenceWorld, presenceWorld } from '../../../support/keyed/presence-world.ts';
import { share } from '../../../support/thorough.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const SCHEDULES = 1_000;
const CHANNELS = ['chat/a', 'chat/b'];
const SOCKETS = ['one', 'two', 'three'];
const READERS = ['four', 'five'];
const CONNECTIONS = [...SOCKETS, ...READERS];
/** The time for which a long poll is shown after it has begun. */
const POLL_MS = 25_000 + PRESENCE_RETURN_MS;
const STEPS = 25;
const PING_MS = 25_000;

/** Connection and channel → data, of those that live. */
type Living = Map<string, { readonly channel: string; readonly id: string; readonly data: string }>;

/** Does it until a process survives it, as a client does that gets no answer. */
async function insist(w: PresenceWorld, work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Crash || error instanceof Refusal)) throw error;
      await w.sleep(100);
    }
  }
}

/** Brings a connection into a channel. A reader over HTTP says the same whenever it comes again. */
async function arrive(w: PresenceWorld, channel: string, id: string, data: string): Promise<void> {
  const until = w.now() + (READERS.includes(id) ? POLL_MS : PRESENCE_KEPT_MS);
  const reader = { transport: 'long-poll', keptUntil: until } as const;
  await w.enter(channel, id, { data, until, ...(READERS.includes(id) ? reader : {}) });
}

/** The sockets ping, and the readers come again. */
async function pingAll(w: PresenceWorld, living: Living): Promise<void> {
  for (const { channel, id, data } of living.values())
    await insist(w, () =>
      READERS.includes(id) ? arrive(w, channel, id, data) : w.seen(channel, id, w.now() + PRESENCE_KEPT_MS),
    );
}

async function step(w: PresenceWorld, living: Living, random: () => number): Promise<void> {
  const pick = (list: readonly string[]) => list[Math.floor(random() * list.length)] ?? '';
  const [channel, id] = [pick(CHANNELS), pick(CONNECTIONS)];
  const key = `${channel} ${id}`;
  const kind = random();
  if (random() < 0.2) [w.crashAt, w.calls] = [1 + Math.floor(random() * 20), 0];
  if (kind < 0.55) {
    const data = JSON.stringify({ n: Math.floor(random() * 3) });
    await insist(w, () => arrive(w, channel, id, data));
    living.set(key, { channel, id, data });
  } else if (kind < 0.75 && SOCKETS.includes(id)) {
    living.delete(key);
    await insist(w, () => w.leave(channel, id));
  } else if (kind < 0.85) {
    // It dies without a word.
    living.delete(key);
  } else await w.sleep(random() * 20_000);
  await w.sleep(random() * 300);
}

async function runSchedule(w: PresenceWorld, random: () => number, seed: number): Promise<void> {
  if (random() < 0.4) [w.slow, w.unanswered] = [0.05, 0.02];
  if (random() < 0.3) w.throttle = 0.05;
  const living: Living = new Map();
  let pingedAt = w.now();
  for (let at = 0; at < STEPS; at++) {
    await step(w, living, random);
    if (w.now() - pingedAt < PING_MS) continue;
    await pingAll(w, living);
    pingedAt = w.now();
  }
  [w.crashAt, w.slow, w.unanswered, w.throttle] = [undefined, 0, 0, 0];
  for (let pings = 0; pings < 6; pings++) {
    await pingAll(w, living);
    await w.sleep(PING_MS);
  }
  for (const channel of CHANNELS) {
    const there = [...living.values()].filter((one) => one.channel === channel);
    const expected = Object.fromEntries(there.map(({ id, data }) => [id, data]));
    const shown = Object.entries(await w.shown(channel));
    const dataOf = ([id, value]: [string, string]) => [id, JSON.stringify(JSON.parse(value).data)];
    expect(Object.fromEntries(shown.map(dataOf)), `seed ${seed}, ${channel}`).toEqual(expected);
    expect(await w.present(channel), `seed ${seed}`).toEqual(Object.fromEntries(shown));
  }
  await w.sleep(4 * PRESENCE_KEPT_MS);
  for (const channel of CHANNELS) expect(await w.shown(channel), `seed ${seed}`).toEqual({});
  expect([w.waiting, w.failures], `seed ${seed}`).toEqual([0, []]);
}

test(`presence equals the connections that live (FUZZ_SEED=${SEED})`, { timeout: 120_000 }, async () => {
  for (let at = 0; at < share(SCHEDULES); at++) {
    const random = seededRandom(SEED + at);
    const w = presenceWorld({ random, duplicates: random() < 0.5 ? 0.2 : 0 });
    await w.time.until(runSchedule(w, random, SEED + at));
  }
});

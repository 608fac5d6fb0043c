/**
 * What the caps of callers rely on: so many at a time, and nobody locked out for ever (lambda/hub/tally.ts).
 * @module
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { TallyStore } from '../../lambda/hub/tally.ts';
import { NOW, newId, storesUnderTest, WINDOW_MS } from './stores.ts';

const MOST = 5;
/** The beginning of a window. */
const START = Math.ceil(NOW / WINDOW_MS) * WINDOW_MS;

describe.each(storesUnderTest())('%s', (_name, make) => {
  let tally: TallyStore;
  let caller: string;
  beforeEach(() => {
    ({ tally } = make());
    caller = `caller-${newId()}`;
  });
  const take = (now: number, who = caller) => tally.take(who, now, MOST);
  /** How many of them are let in. */
  const count = async (times: number, now: number): Promise<number> => {
    let taken = 0;
    for (let n = 0; n < times; n++) if (await take(now)) taken++;
    return taken;
  };

  test('a caller takes as many as he may, and another his own', async () => {
    expect(await count(MOST + 2, START)).toBe(MOST);
    expect(await take(START, `${caller}, his brother`)).toBe(true);
    expect(await take(START, `${caller}${'x'.repeat(4_000)}`)).toBe(true);
  });

  test('all without a name are one caller, whom no name is like', async () => {
    const most = 1_000;
    expect(await tally.take(undefined, START, most)).toBe(true);
    expect(await tally.take('', START, 1)).toBe(true);
    expect(await tally.take('', START, 1)).toBe(false);
    await tally.giveBack('', START);
  });

  test('however many come at the same moment', async () => {
    const answers = await Promise.all(Array.from({ length: 4 * MOST }, () => take(START).catch(() => false)));
    const taken = answers.filter(Boolean).length;
    expect(taken).toBeLessThanOrEqual(MOST);
    expect(taken + (await count(MOST, START))).toBe(MOST);
  });

  test('what is given back is free for one more', async () => {
    expect(await count(MOST, START)).toBe(MOST);
    await tally.giveBack(caller, START);
    expect(await count(3, START)).toBe(1);
  });

  test('what was taken in one window counts in the next, and is given back there', async () => {
    expect(await count(MOST, START)).toBe(MOST);
    const next = START + WINDOW_MS;
    expect(await count(1, next)).toBe(0);
    await tally.giveBack(caller, START);
    expect(await count(2, next)).toBe(1);
    // By now the row is of the next window.
    await tally.giveBack(caller, START);
    expect(await count(2, next)).toBe(1);
    await tally.giveBack(caller, next);
    expect(await count(2, next)).toBe(1);
  });

  test('what nobody gives back is forgotten with its window, and only that', async () => {
    expect(await count(3, START)).toBe(3);
    expect(await count(3, START + WINDOW_MS)).toBe(2);
    expect(await count(9, START + 2 * WINDOW_MS)).toBe(3);
    expect(await count(9, START + 9 * WINDOW_MS)).toBe(MOST);
  });

  test('what is given back too late, or twice, makes no room that is not there', async () => {
    expect(await count(MOST, START)).toBe(MOST);
    const later = START + 2 * WINDOW_MS;
    expect(await count(MOST, later)).toBe(MOST);
    await tally.giveBack(caller, START);
    await tally.giveBack(`${caller}, who took nothing`, later);
    expect(await count(1, later)).toBe(0);
  });
});

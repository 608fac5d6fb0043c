import { describe, expect, it } from 'vitest';
import {
  type Admission,
  BURST_MS,
  createAdmission,
  LEAST,
  LIGHT,
  LIGHT_MS,
  MOST,
} from '../../../local/lambda/admission.ts';

/** A machine that completes `perSecond` invocations, and shares its time among all of them. */
function simulate(perSecond: number) {
  let now = 0;
  const admission: Admission = createAdmission(() => now);
  let running: { since: number; left: number }[] = [];
  const took: { at: number; ms: number }[] = [];
  const refused: number[] = [];
  const TICK_MS = 5;
  const arrive = (): void => {
    if (admission.begin()) running.push({ since: now, left: 1 });
    else refused.push(now);
  };
  const tick = (): void => {
    now += TICK_MS;
    const share = (perSecond * TICK_MS) / 1_000 / Math.max(1, running.length);
    for (const one of running) one.left -= share;
    const done = running.filter(({ left }) => left <= 0);
    running = running.filter(({ left }) => left > 0);
    for (const { since } of done) {
      took.push({ at: now, ms: now - since });
      admission.end(since);
    }
  };
  return {
    took,
    refused,
    running: () => running.length,
    now: () => now,
    arrive,
    /** Lets time pass with that many arrivals a second. */
    pass(ms: number, arrivals = 0): void {
      const end = now + ms;
      for (let due = 0; now < end; tick())
        for (due += (arrivals * TICK_MS) / 1_000; due >= 1; due--) arrive();
    },
  };
}

const p95 = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.95)];

/** The time in which the limit falls from a burst to what the machine can take: the slowest one needs five seconds for the burst. */
const SETTLE_MS = 10 * BURST_MS;

describe.each([25, 100, 400])('a machine that completes %i invocations a second', (perSecond) => {
  it.each([1.2, 3, 10])('completes as many at %f times the load, soon, and throttles the rest', (over) => {
    const machine = simulate(perSecond);
    machine.pass(SETTLE_MS, over * perSecond);
    const from = machine.now();
    machine.pass(20_000, over * perSecond);
    const took = machine.took.filter(({ at }) => at >= from);
    expect(took.length / 20).toBeGreaterThan(0.95 * perSecond);
    // As long as the fewest that are admitted take on a slow machine, else less than a second.
    expect(p95(took.map(({ ms }) => ms))).toBeLessThan(Math.max(1_000, (1_200 * LEAST) / perSecond));
    expect(machine.refused.length).toBeGreaterThan(0);
  });

  it('throttles nothing at four fifths of that, and nothing after an overload has passed', () => {
    const machine = simulate(perSecond);
    machine.pass(60_000, 0.8 * perSecond);
    machine.pass(20_000, 3 * perSecond);
    const refused = machine.refused.filter((at) => at < 60_000);
    machine.pass(10_000);
    const calmAt = machine.now();
    machine.pass(60_000, 0.8 * perSecond);
    expect([refused, machine.refused.filter((at) => at >= calmAt)]).toEqual([[], []]);
  });

  it('takes a burst, and another one a second after it', () => {
    const machine = simulate(perSecond);
    for (let burst = 0; burst < 3; burst++) {
      for (let n = 0; n < MOST; n++) machine.arrive();
      while (machine.running() > 0) machine.pass(5);
      machine.pass(LIGHT_MS);
    }
    expect([machine.refused, machine.took.length]).toEqual([[], 3 * MOST]);
  });
});

it('a few invocations are never throttled, however long they take', () => {
  const machine = simulate(0.5);
  for (let round = 0; round < 20; round++) {
    while (machine.running() < LEAST) machine.arrive();
    machine.pass(5_000);
  }
  expect(machine.refused).toEqual([]);
});

it('the quota is that of a burst at first', () => {
  const admission = createAdmission(() => 0);
  const admitted = Array.from({ length: MOST + 2 }, () => admission.begin());
  expect(admitted.lastIndexOf(true)).toBe(MOST - 1);
  admission.end(0);
  expect([admission.begin(), admission.begin()]).toEqual([true, false]);
  expect(LIGHT).toBeLessThan(LEAST);
});

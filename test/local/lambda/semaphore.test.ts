import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createSemaphore } from '../../../local/lambda/semaphore.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** Starts that many pieces of work. Each one goes on until the test ends it. */
function begin(slots: ReturnType<typeof createSemaphore>, count: number) {
  let running = 0;
  const ends: (() => void)[] = [];
  for (let n = 0; n < count; n++) {
    void slots.run(async () => {
      running += 1;
      await new Promise<void>((resolve) => ends.push(resolve));
      running -= 1;
    });
  }
  return { running: () => running, endOne: () => ends.shift()?.() };
}

it('runs as much work at the same time as there are slots', async () => {
  const work = begin(createSemaphore(2), 3);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(work.running()).toBe(2);
  work.endOne();
  await vi.advanceTimersByTimeAsync(0);
  expect(work.running()).toBe(2);
});

it('adds a slot each time work has waited for the interval, up to the maximum', async () => {
  const slots = createSemaphore(1, { most: 3, everyMs: 200 });
  const work = begin(slots, 5);
  await vi.advanceTimersByTimeAsync(199);
  expect(work.running()).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(work.running()).toBe(2);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(work.running()).toBe(3);
});

it('does not grow while no work waits, and shrinks to the first number after a pause', async () => {
  const slots = createSemaphore(1, { most: 3, everyMs: 200 });
  const first = begin(slots, 1);
  await vi.advanceTimersByTimeAsync(60_000);
  const second = begin(slots, 2);
  await vi.advanceTimersByTimeAsync(200);
  expect([first.running(), second.running()]).toEqual([1, 1]);
  first.endOne();
  await vi.advanceTimersByTimeAsync(0);
  for (let n = 0; n < 2; n++) {
    second.endOne();
    await vi.advanceTimersByTimeAsync(0);
  }
  const third = begin(slots, 2);
  await vi.advanceTimersByTimeAsync(199);
  expect(third.running()).toBe(1);
});

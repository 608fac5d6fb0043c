import { expect, it } from 'vitest';
import { watchProcessors } from '../../../local/lambda/spare-time.ts';

function createMachine() {
  let now = 0;
  let total = 5_000;
  let idle = 1_000;
  const hasSpareTime = watchProcessors(
    () => ({ total, idle }),
    () => now,
  );
  return {
    hasSpareTime,
    /** Lets time pass on two processors, of which that part is not used. */
    pass(ms: number, unused: number): void {
      now += ms;
      total += 2 * ms;
      idle += 2 * ms * unused;
    },
  };
}

it('there is time to spare if a quarter of the last period was not used', () => {
  const machine = createMachine();
  const after = (unused: number): boolean => {
    machine.pass(300, unused);
    return machine.hasSpareTime();
  };
  expect([0.5, 0.26, 0.24, 0, 0.3].map(after)).toEqual([true, true, false, false, true]);
});

it('a shorter period than a quarter of a second does not count', () => {
  const machine = createMachine();
  expect(machine.hasSpareTime()).toBe(true);
  machine.pass(200, 0);
  expect(machine.hasSpareTime()).toBe(true);
  machine.pass(50, 0);
  expect(machine.hasSpareTime()).toBe(false);
  machine.pass(200, 1);
  expect(machine.hasSpareTime()).toBe(false);
  machine.pass(50, 1);
  expect(machine.hasSpareTime()).toBe(true);
});

it('the processors of this machine can be read', () => {
  expect(typeof watchProcessors()()).toBe('boolean');
});

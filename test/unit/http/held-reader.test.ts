/**
 * Readers over HTTP in a channel with presence (PROTOCOL.md §14.3).
 * @module
 */
import { expect, test } from 'vitest';
import { enteredOnce } from '../../../lambda/http/held-reader.ts';
import { find } from '../../../lambda/hub/log/lifecycle.ts';
import { memoryLog } from '../../support/domain/memory-log.ts';

const reader = (calls: string[]) => ({
  channels: ['chat/a'],
  enter: async (endsAt: number) => void calls.push(`enter ${endsAt}`),
  extend: async (endsAt: number) => void calls.push(`extend ${endsAt}`),
});
const wake = { mark: () => 0, wait: async () => undefined };
const never = new AbortController().signal;

test('a long poll that is answered at once makes no member, and one that waits enters once', async () => {
  const calls: string[] = [];
  await enteredOnce(reader(calls), 1_000).isEntered();
  expect(calls).toEqual(['extend 1000']);
  const waiting = enteredOnce(reader(calls), 2_000);
  const during = waiting.during(wake);
  // The wake of this test does not look at what was seen.
  const seen = { channel: await find(memoryLog(), 'c'), slot: 1, mark: 0 };
  await during.wait(seen, 10, never);
  await during.wait(seen, 10, never);
  await waiting.isEntered();
  expect(calls).toEqual(['extend 1000', 'enter 2000']);
});

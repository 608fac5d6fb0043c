/**
 * A hub that gets more requests than it can take (PROTOCOL.md §8): it refuses the others before anything is written, goes on with those
 * that it has accepted, and logs little.
 * @module
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../scripts/hub/local-hub.ts';
import { clearFaults, inject } from '../support/wire/faults.ts';
import { callerAt, newChannel, throughBusy } from '../support/wire/wire.ts';

/** More than the local stack runs at the same time of one function that is brief. */
const REQUESTS = 400;

/** So long a claim takes, in milliseconds: in that time far more requests arrive than the hub takes, also on a busy machine. */
const SLOW_MS = 4_000;

let running: RunningHub;
const lines: string[] = [];
beforeAll(async () => {
  // Some hundred requests run at the same time. A machine has no room for so many processes.
  running = await startHub({ concurrency: 64, log: (line) => lines.push(line) });
}, 60_000);
afterAll(async () => await running.close());

test('refused publishes are not stored, accepted ones are stored once, and the log has a line a second', async () => {
  const { stack, token } = running;
  const hub = callerAt(stack.url, { Authorization: `Bearer ${token}` }, { comesAgain: false });
  const channel = newChannel('overload');
  await throughBusy(() => hub.publish(channel, 'first'));
  await inject(stack.control, {
    function: 'Publish',
    at: 'before',
    action: 'dynamodb:UpdateItem',
    effect: { delayMs: SLOW_MS },
    times: REQUESTS,
  });
  const began = performance.now();
  const answers = await Promise.all(
    Array.from({ length: REQUESTS }, async (_, n) => {
      const response = await hub.publish(channel, n).catch(() => undefined);
      return { n, status: response?.status ?? 0, text: (await response?.text().catch(() => '')) ?? '' };
    }),
  );
  const seconds = (performance.now() - began) / 1_000;
  await clearFaults(stack.control);

  // On a busy machine a function may time out (500), and a connection may be lost (0): then it is unknown what was stored.
  expect(answers.filter(({ status }) => ![0, 204, 500, 503].includes(status))).toEqual([]);
  const isOfPlatform = ({ text }: { text: string }) => text === '{"message":"Service Unavailable"}';
  const refused = answers.filter(isOfPlatform).map(({ n }) => n);
  expect(refused.length).toBeGreaterThan(0);
  const { messages } = await hub.readAll(channel);
  const stored = answers.filter(({ status }) => status === 204).map(({ n }) => n);
  expect(stored.filter((n) => messages.filter((message) => message === n).length !== 1)).toEqual([]);
  expect(refused.filter((n) => messages.includes(n))).toEqual([]);

  const about = lines.filter((line) => line.includes('throttled') || line.includes('request refused'));
  const processes: unknown = await (await fetch(`${stack.control}/processes`)).json();
  const writers = 1 + (Array.isArray(processes) ? processes.length : 0);
  expect(about.length).toBeGreaterThan(0);
  expect(about.length).toBeLessThanOrEqual(Math.ceil(seconds + 1) * writers);
}, 120_000);

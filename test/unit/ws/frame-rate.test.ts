/**
 * The rate of messages of one connection (PROTOCOL.md §8), in virtual time.
 */
import { expect, test } from 'vitest';
import { type FrameRateState, frameRates } from '../../../lambda/ws/frame-rate.ts';
import { MAX_MESSAGE_BURST, MAX_MESSAGES_PER_SECOND } from '../../../protocol/limits.ts';

type Pace = ReturnType<typeof frameRates>;

/** Returns the states of messages that are sent evenly over a time. */
function saying(pace: Pace, connection: string, perSecond: number, fromMs: number, forMs: number) {
  const verdicts: Record<FrameRateState, number> = { fine: 0, fast: 0, flooding: 0 };
  const count = Math.round((perSecond * forMs) / 1_000);
  for (let n = 0; n < count; n++) verdicts[pace(connection, fromMs + (n * 1_000) / perSecond)]++;
  return verdicts;
}

test('messages at the rate are never refused', () => {
  const pace = frameRates();
  expect(saying(pace, 'a', MAX_MESSAGES_PER_SECOND, 0, 600_000)).toMatchObject({ fast: 0, flooding: 0 });
});

test('a burst after silence is accepted, and more is refused until time has passed', () => {
  const pace = frameRates();
  for (let n = 0; n < MAX_MESSAGE_BURST; n++) expect(pace('a', 0)).toBe('fine');
  expect(pace('a', 0)).toBe('fast');
  expect(pace('a', 1_000)).toBe('fine');
  expect(saying(pace, 'a', 10, 1_000, 1_000)).toMatchObject({ fast: 0 });
});

test('a connection floods within a second of 5,000 messages, and no longer after silence', () => {
  const flood = saying(frameRates(), 'a', 5_000, 0, 1_000);
  expect(flood.fine).toBeLessThanOrEqual(MAX_MESSAGE_BURST + MAX_MESSAGES_PER_SECOND);
  expect(flood.flooding).toBeGreaterThan(0);
  expect(flood.flooding).toBeLessThan(10);
  const pace = frameRates();
  expect(saying(pace, 'a', 1_000, 0, 1_000).flooding).toBe(0);
  expect(pace('a', 20_000)).toBe('fine');
});

test('connections are counted separately, and the longest silent ones are forgotten first', () => {
  const pace = frameRates();
  saying(pace, 'loud', 1_000, 0, 1_000);
  expect(pace('other', 1_000)).toBe('fine');
  expect(pace('loud', 1_000)).toBe('fast');
  for (let n = 0; n < 9_999; n++) pace(`crowd ${n}`, 1_000);
  expect(pace('loud', 1_000)).toBe('fast');
  for (let n = 0; n < 10_001; n++) pace(`crowd ${n}`, 1_000);
  expect(pace('loud', 1_000)).toBe('fine');
});

test('a clock that goes back allows no more messages', () => {
  const pace = frameRates();
  for (let n = 0; n < MAX_MESSAGE_BURST; n++) pace('a', 10_000);
  expect(pace('a', 0)).toBe('fast');
});

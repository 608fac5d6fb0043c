/**
 * How fast one connection may speak (PROTOCOL.md §8), in virtual time.
 */
import { expect, test } from 'vitest';
import { type FrameRateState, frameRates } from '../../../lambda/ws/frame-rate.ts';
import { MAX_MESSAGE_BURST, MAX_MESSAGES_PER_SECOND } from '../../../protocol/limits.ts';

type Pace = ReturnType<typeof frameRates>;

/** What becomes of messages that are said evenly over a time. */
function saying(pace: Pace, connection: string, perSecond: number, fromMs: number, forMs: number) {
  const verdicts: Record<FrameRateState, number> = { fine: 0, fast: 0, flooding: 0 };
  const count = Math.round((perSecond * forMs) / 1_000);
  for (let n = 0; n < count; n++) verdicts[pace(connection, fromMs + (n * 1_000) / perSecond)]++;
  return verdicts;
}

test('the rate goes on for as long as it likes', () => {
  const pace = frameRates();
  expect(saying(pace, 'a', MAX_MESSAGES_PER_SECOND, 0, 600_000)).toMatchObject({ fast: 0, flooding: 0 });
});

test('a burst after silence is taken, and what is more is refused until time has passed', () => {
  const pace = frameRates();
  for (let n = 0; n < MAX_MESSAGE_BURST; n++) expect(pace('a', 0)).toBe('fine');
  expect(pace('a', 0)).toBe('fast');
  expect(pace('a', 1_000)).toBe('fine');
  expect(saying(pace, 'a', 10, 1_000, 1_000)).toMatchObject({ fast: 0 });
});

test('one that floods is told so within a second of 5,000 messages, and one that is silent again is not', () => {
  const flood = saying(frameRates(), 'a', 5_000, 0, 1_000);
  expect(flood.fine).toBeLessThanOrEqual(MAX_MESSAGE_BURST + MAX_MESSAGES_PER_SECOND);
  expect(flood.flooding).toBeGreaterThan(0);
  expect(flood.flooding).toBeLessThan(10);
  const pace = frameRates();
  expect(saying(pace, 'a', 1_000, 0, 1_000).flooding).toBe(0);
  expect(pace('a', 20_000)).toBe('fine');
});

test('connections do not count for each other, and a crowd of them is forgotten in the order of their silence', () => {
  const pace = frameRates();
  saying(pace, 'loud', 1_000, 0, 1_000);
  expect(pace('other', 1_000)).toBe('fine');
  expect(pace('loud', 1_000)).toBe('fast');
  for (let n = 0; n < 9_999; n++) pace(`crowd ${n}`, 1_000);
  expect(pace('loud', 1_000)).toBe('fast');
  for (let n = 0; n < 10_001; n++) pace(`crowd ${n}`, 1_000);
  expect(pace('loud', 1_000)).toBe('fine');
});

test('a clock that goes back gives nothing', () => {
  const pace = frameRates();
  for (let n = 0; n < MAX_MESSAGE_BURST; n++) pace('a', 10_000);
  expect(pace('a', 0)).toBe('fast');
});

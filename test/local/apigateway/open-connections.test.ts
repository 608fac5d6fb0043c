/**
 * The time limits of a connection, with a clock that the tests control.
 */
import { Socket } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type GatewayConnection, watchClock } from '../../../local/apigateway/open-connections.ts';

const MINUTE_MS = 60_000;
const GOING_AWAY = { code: 1_001, reason: 'Going away' };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const newConnection = (): GatewayConnection => ({
  id: 'id',
  api: { id: 'api', path: 'Api' },
  connectedAt: Date.now(),
  identity: { sourceIp: '127.0.0.1', userAgent: undefined },
  wire: new Socket(),
  socket: undefined,
  lastActiveAt: Date.now(),
  closed: undefined,
});

it.each([
  [1, 10 * MINUTE_MS],
  [60, MINUTE_MS / 6],
])('a connection ends when it is idle for ten minutes (clock scale %i)', (scale, idleMs) => {
  const connection = newConnection();
  watchClock(connection, scale);
  vi.advanceTimersByTime(idleMs - 1);
  connection.lastActiveAt = Date.now();
  vi.advanceTimersByTime(idleMs - 1);
  expect(connection.closed).toBeUndefined();
  vi.advanceTimersByTime(1);
  expect(connection.closed).toEqual(GOING_AWAY);
});

it.each([
  [1, 120 * MINUTE_MS],
  [60, 2 * MINUTE_MS],
])('an active connection ends after two hours (clock scale %i)', (scale, lifetimeMs) => {
  const connection = newConnection();
  const start = Date.now();
  watchClock(connection, scale);
  while (Date.now() < start + lifetimeMs - 1) {
    connection.lastActiveAt = Date.now();
    vi.advanceTimersByTime(Math.min(MINUTE_MS / scale, start + lifetimeMs - 1 - Date.now()));
    expect(connection.closed).toBeUndefined();
  }
  vi.advanceTimersByTime(1);
  expect(connection.closed).toEqual(GOING_AWAY);
});

it('a stopped watch closes nothing', () => {
  const connection = newConnection();
  watchClock(connection, 1)();
  vi.advanceTimersByTime(120 * MINUTE_MS);
  expect(connection.closed).toBeUndefined();
});

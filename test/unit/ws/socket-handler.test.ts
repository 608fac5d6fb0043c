/**
 * The handler of a WebSocket API: its events, refused connections, and clients that ignore the refusal of their messages
 * (PROTOCOL.md §8, §12).
 * @module
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseOrigins } from '../../../lambda/access/origins.ts';
import { accessTo } from '../../../lambda/access/verify.ts';
import { socketHandler } from '../../../lambda/ws/socket-handler.ts';
import { MAX_MESSAGE_BURST, MAX_MESSAGES_PER_SECOND } from '../../../protocol/limits.ts';
import { memoryLog } from '../../support/domain/memory-log.ts';
import { memoryListeners } from '../../support/domain/memory-subscribers.ts';

const PING = JSON.stringify({ action: 'ping' });

let closed: string[];
let refused: string[];
let handler: ReturnType<typeof socketHandler>;
let listeners: ReturnType<typeof memoryListeners>;

beforeEach(() => {
  // The rate of messages is counted by the clock, which therefore stands still.
  vi.useFakeTimers({ toFake: ['Date'] });
  closed = [];
  refused = [];
  listeners = memoryListeners(() => async () => {});
  const log = memoryLog();
  handler = socketHandler({
    log: { ...log, hint: async () => {} },
    access: accessTo({
      keys: async () => [],
      audience: 'a',
      anonymous: { '*': ['subscribe'] },
      clock: log.clock,
    }),
    origins: parseOrigins('*'),
    tickets: { issue: async () => expect.unreachable(), redeem: async () => expect.unreachable() },
    connections: listeners.connections,
    subscriptions: listeners.subscriptions,
    jobs: { send: async () => {} },
    disconnects: { send: async () => {} },
    connectionsPerCaller: 2,
    close: async (connection) => closed.push(connection),
    published: () => {},
    stampFor: () => undefined,
    hookFor: () => undefined,
    publishEphemeral: async () => expect.unreachable(),
    logDefect: (error) => expect.unreachable(String(error)),
    logRefusal: ({ code }) => void refused.push(code),
  });
});

afterEach(() => {
  vi.useRealTimers();
});

const connect = (connectionId: string, headers: object = {}) =>
  handler({ requestContext: { connectionId, eventType: 'CONNECT' }, headers });
const say = async (connectionId: string, body: string) =>
  JSON.parse((await handler({ requestContext: { connectionId, eventType: 'MESSAGE' }, body })).body ?? '');

test('a connection is stored when it opens, and removed when it ends', async () => {
  expect(await connect('a', { 'Sec-WebSocket-Protocol': 'tidings.v1' })).toEqual({
    statusCode: 200,
    headers: { 'Sec-WebSocket-Protocol': 'tidings.v1' },
  });
  expect([...listeners.connectionRows.keys()]).toEqual(['a']);
  expect(await say('a', PING)).toEqual({ type: 'pong', connection: 'a' });
  await handler({ requestContext: { connectionId: 'a', eventType: 'DISCONNECT' } });
  expect(listeners.connectionRows.size).toBe(0);
});

test('a refused connection gets the status and the code, and the refusal is logged', async () => {
  const answer = await connect('a', { Authorization: 'Bearer forged' });
  expect(answer.statusCode).toBe(401);
  expect(JSON.parse(answer.body ?? '')).toMatchObject({ error: { code: 'unauthorized' } });
  expect(refused).toEqual(['unauthorized']);
  expect(listeners.connectionRows.size).toBe(0);
});

test('a caller cannot open more connections than its quota', async () => {
  expect((await connect('a')).statusCode).toBe(200);
  expect((await connect('b')).statusCode).toBe(200);
  expect((await connect('c')).statusCode).toBe(429);
  expect([...listeners.connectionRows.keys()]).toEqual(['a', 'b']);
});

test('a client that ignores the refusal of its messages is disconnected, and no other', async () => {
  const most = MAX_MESSAGE_BURST + 20 * MAX_MESSAGES_PER_SECOND;
  let refusals = 0;
  for (let n = 0; n < most && closed.length === 0; n++)
    if ((await say('a', PING)).code === 'too_many_requests') refusals++;
  expect(closed).toEqual(['a']);
  expect(refusals).toBeGreaterThan(0);
  expect(await say('b', PING)).toEqual({ type: 'pong', connection: 'b' });
  expect(closed).toEqual(['a']);
});

test('an event that no WebSocket API sends is an error of the template', async () => {
  await expect(handler({ Records: [] })).rejects.toThrow('not an event of a WebSocket API');
  await expect(handler({ requestContext: { connectionId: 'a' } })).rejects.toThrow('unknown type');
});

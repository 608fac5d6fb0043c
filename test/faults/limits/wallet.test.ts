/**
 * Denial of wallet over the wire (PROTOCOL.md §8): requests beyond a limit are refused, and only those.
 * @module
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FloodedHub, flood, printFlood } from '../../../bench/flood.ts';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { tokenOfUser } from '../../support/access/user-token.ts';
import { openStream } from '../../support/wire/event-stream.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { openSocket, statusOf } from '../../support/wire/socket.ts';
import { callerAt, newChannel, refusalOf } from '../../support/wire/wire.ts';

const PUBLISHES_PER_SECOND = 10;
const MAX_HELD = 4;
const HELD_PER_CALLER = 2;
const CONNECTIONS_PER_CALLER = 8;
const SECONDS = 5;

let running: RunningHub;
beforeAll(async () => {
  running = await startHub({
    context: {
      'tidings:publishesPerSecond': PUBLISHES_PER_SECOND,
      'tidings:maxHolds': MAX_HELD,
      'tidings:maxStreams': MAX_HELD,
      'tidings:heldPerCaller': HELD_PER_CALLER,
      'tidings:connectionsPerCaller': CONNECTIONS_PER_CALLER,
      // The local stack accepts this, and does not enforce it.
      'tidings:monthlyBudget': 1,
      'tidings:budgetEmail': 'team@example.com',
    },
  });
});
afterAll(async () => {
  await saveGrants('wallet', running.stack.control);
  await running.close();
});

const tokenOf = (sub: string): Promise<string> => tokenOfUser(running, sub);
const hubOf = async (sub: string) =>
  callerAt(running.stack.url, { Authorization: `Bearer ${await tokenOf(sub)}` }, { comesAgain: false });

const floodedHub = (): FloodedHub => ({
  url: running.stack.url,
  token: running.token,
  async processes() {
    const rows: unknown = await (await fetch(`${running.stack.control}/processes`)).json();
    return (Array.isArray(rows) ? rows : []).map((row) => ({
      function: String(row.function),
      pid: Number(row.pid),
      inFlight: Number(row.inFlight),
    }));
  },
});

test('ten times the rate: requests over it are 429, functions stay within their concurrency, and other routes are not affected', async () => {
  const flooded = await flood(floodedHub(), {
    seconds: SECONDS,
    publishesPerSecond: PUBLISHES_PER_SECOND,
    maxHolds: MAX_HELD,
  });
  printFlood(flooded, (line) => process.stdout.write(`${line}\n`));
  const { publishes, holds, others, mostAtATime, elapsedMs } = flooded;
  const { '204': published = 0, '429': refused = 0 } = publishes;
  const letIn = Object.values(publishes).reduce((sum, count) => sum + count, 0) - refused;
  // A full bucket, and its refill. The gateway's clock started later and stopped earlier than ours.
  expect(letIn).toBeLessThanOrEqual(PUBLISHES_PER_SECOND * (1 + elapsedMs / 1_000));
  expect(refused).toBeGreaterThan(0);
  expect(published).toBeGreaterThan(0);
  // On a busy machine some of these may be late. None is refused because of the other routes.
  const { '200': read = 0, '204': publishedByOthers = 0, '429': refusedToOthers = 0 } = others;
  expect([read > 0, publishedByOthers > 0, refusedToOthers]).toEqual([true, true, 0]);
  // One caller has two of the four places. A caller that finds all four in use is told to poll.
  expect(holds['204']).toBeGreaterThan(0);
  expect(holds['429']).toBeGreaterThan(0);
  expect(mostAtATime.Hold).toBeLessThanOrEqual(MAX_HELD);
  // After the flood everything works again.
  const hub = await hubOf('an honest publisher');
  await expect.poll(async () => (await hub.publish(newChannel(), 1)).status).toBe(204);
});

test('a caller has a quota of long polls; another caller has its own, and an answered long poll makes room', async () => {
  const [greedy, honest] = await Promise.all([hubOf('greedy'), hubOf('honest')]);
  const channel = newChannel();
  const end = (await honest.read(channel)).headers.get('Stream-Next-Offset') ?? '';
  const hold = (hub: typeof greedy) => hub.request(`/channels/${channel}?live=long-poll&offset=${end}`);
  // One more than the quota, at the same moment: one of them is refused at once, and the others wait.
  const asked = Array.from({ length: HELD_PER_CALLER + 1 }, () => hold(greedy));
  const refused = await Promise.race(asked);
  expect(refused.headers.get('Retry-After')).toBe('5');
  expect(await refusalOf(refused)).toEqual([429, 'too_many_requests']);
  const answered = hold(honest);
  await expect.poll(async () => (await honest.publish(channel, 'news')).status).toBe(204);
  const responses = await Promise.all([...asked, answered]);
  const held = responses.filter((response) => response !== refused);
  for (const response of held) expect(await response.json()).toEqual(['news']);
  expect((await hold(greedy)).status).toBe(200);
});

test('a caller has a quota of streams: a new one replaces the oldest, whose reader continues from its offset', async () => {
  const [greedy, honest] = await Promise.all([hubOf('greedy'), hubOf('honest')]);
  const channel = newChannel();
  const path = `/channels/${channel}`;
  const open = (caller: typeof greedy, id = '') =>
    openStream(caller, path, { Accept: 'text/event-stream', 'Last-Event-ID': id });
  await honest.publish(channel, 'first');
  const other = await open(honest);
  const streams = [];
  for (let n = 0; n < HELD_PER_CALLER + 1; n++) streams.push(await open(greedy));
  const [oldest, ...newer] = streams;
  const event = await oldest?.next();
  expect(event?.data).toBe('"first"');
  expect(await oldest?.next()).toBeUndefined();
  await honest.publish(channel, 'second');
  const [, again] = await Promise.all([newer[0]?.next(), open(greedy, event?.id)]);
  expect((await again?.next())?.data).toBe('"second"');
  const close = { 'Content-Type': 'application/json', 'Stream-Closed': 'true' };
  expect((await honest.request(path, { method: 'POST', headers: close, body: '["last"]' })).status).toBe(204);
  for (const stream of [other, again, newer[1]]) {
    const data = [];
    for (let next = await stream?.next(); next; next = await stream?.next()) data.push(next.data);
    expect(data.at(-1)).toBe('"last"');
  }
});

test('a caller has a quota of connections; another caller has its own, and one that ends makes room', async () => {
  const [greedy, honest] = await Promise.all([tokenOf('greedy'), tokenOf('honest')]);
  const url = running.stack.socketUrl ?? '';
  const as = (token: string) => ({ url, headers: { Authorization: `Bearer ${token}` } });
  const open = [];
  for (let n = 0; n < CONNECTIONS_PER_CALLER; n++) open.push(await openSocket(as(greedy)));
  expect(await statusOf(as(greedy))).toBe(429);
  const other = await openSocket(as(honest));
  expect(await other.ask({ action: 'ping' })).toMatchObject({ type: 'pong' });
  await open.pop()?.close();
  await expect.poll(() => statusOf(as(greedy))).toBe(101);
  await Promise.all([...open, other].map((socket) => socket.close()));
});

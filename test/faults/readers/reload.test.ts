/**
 * Readers that disconnect and come again (PROTOCOL.md §5.2, §8): Lambda does not tell a function that its reader has disconnected, so
 * the old requests continue. They must not lock out their own caller or any other.
 * @module
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { tokenOfUser } from '../../support/access/user-token.ts';
import { openStream } from '../../support/wire/event-stream.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { type Caller, callerAt, newChannel } from '../../support/wire/wire.ts';

const RELOADS = 120;
/** The default of PROTOCOL.md §8. */
const HELD_PER_CALLER = 25;
/** How long a page stays before its next reload, in milliseconds. */
const STAY_MS = 20;
const SSE = { Accept: 'text/event-stream' };

let running: RunningHub;
beforeAll(async () => {
  // With the defaults of the template, because PROTOCOL.md promises those.
  // 240 readers in three seconds share processes, because a busy machine takes a minute to start one for each of them.
  running = await startHub({ concurrency: 64 });
});
afterAll(async () => {
  await saveGrants('reload', running.stack.control);
  await running.close();
});

const hubOf = async (sub: string): Promise<Caller> =>
  callerAt(running.stack.url, { Authorization: `Bearer ${await tokenOfUser(running, sub)}` });

/** Opens and disconnects, again and again. */
async function reload(caller: Caller, path: string, headers: Record<string, string> = {}): Promise<void> {
  for (let n = 0; n < RELOADS; n++)
    await caller.request(path, { headers, signal: AbortSignal.timeout(STAY_MS) }).then(
      (response) => response.body?.cancel(),
      () => {},
    );
}

async function underWay(name: string): Promise<number> {
  const rows: unknown = await (await fetch(`${running.stack.control}/processes`)).json();
  const all = Array.isArray(rows) ? rows : [];
  return all
    .filter((row) => String(row.function).includes(name))
    .reduce((sum, row) => sum + Number(row.inFlight), 0);
}

test('two callers reload their streams 120 times each: a third opens one at once, and gets new messages', async () => {
  const [one, two, third] = await Promise.all([hubOf('one'), hubOf('two'), hubOf('third')]);
  const channel = newChannel();
  const path = `/channels/${channel}`;
  await (await openStream(one, path, SSE)).close(); // Before that the process has to start, which this test does not measure.
  await Promise.all([reload(one, path, SSE), reload(two, path, SSE)]);
  process.stdout.write(`streams under way: ${await underWay('Stream')}\n`);
  const stream = await openStream(third, path, SSE);
  expect((await third.publish(channel, 'news')).status).toBe(204);
  expect((await stream.next())?.data).toBe('"news"');
  await stream.close();
  // The replaced streams have ended, and have made room for others.
  const most = 2 * HELD_PER_CALLER + 1;
  await expect.poll(() => underWay('Stream')).toBeLessThanOrEqual(most);
});

test('two callers reload their long polls 120 times each: a third is held at once, and gets new messages', async () => {
  const [one, two, third] = await Promise.all([hubOf('one'), hubOf('two'), hubOf('third')]);
  const channel = newChannel();
  const end = (await third.read(channel)).headers.get('Stream-Next-Offset') ?? '';
  const path = `/channels/${channel}?live=long-poll&offset=${end}`;
  await one.request(path, { headers: { Prefer: 'wait=0' } });
  await Promise.all([reload(one, path), reload(two, path)]);
  process.stdout.write(`long polls under way: ${await underWay('Hold')}\n`);
  const held = third.request(path);
  await expect.poll(async () => (await third.publish(channel, 'news')).status).toBe(204);
  expect(await (await held).json()).toEqual(['news']);
});

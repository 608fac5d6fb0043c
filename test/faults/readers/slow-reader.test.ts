/**
 * A stream whose reader stops reading (PROTOCOL.md §5.2): it ends, its place becomes free, and the function neither fails
 * nor reaches its timeout.
 * @module
 */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { type Caller, callerAt, newChannel } from '../../support/wire/wire.ts';

/** More than the buffers of all connections on the way hold, so that the function has to wait for its reader. */
const MESSAGES = 400;
const MESSAGE = 'x'.repeat(120_000);
const AT_ONCE = 2;

let running: RunningHub;
let hub: Caller;
const lines: string[] = [];
beforeAll(async () => {
  // Two streams at the same time: a third replaces the oldest. They live for so long that no test waits for it.
  const context = { 'tidings:heldPerCaller': 1, 'tidings:edge': false, 'tidings:streamSeconds': 600 };
  running = await startHub({ context, log: (line) => lines.push(line) });
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
});
afterAll(async () => {
  await saveGrants('slow-reader', running.stack.control);
  await running.close();
});

/** Opens a stream from the beginning, and reads nothing of it yet. */
async function open(channel: string): Promise<IncomingMessage> {
  const [url = ''] = Object.values(running.stack.functionUrls);
  const headers = { Authorization: `Bearer ${running.token}` };
  const asked = request(`${url}/channels/${channel}?live=sse&offset=-1`, { headers }).end();
  const [response] = await once(asked, 'response');
  return response;
}

/** Returns how often streams have read a channel. */
async function looks(): Promise<number> {
  const calls: unknown = await (await fetch(`${running.stack.control}/calls`)).json();
  if (!Array.isArray(calls)) throw new Error(`no list: ${JSON.stringify(calls)}`);
  const found = calls.find(
    (row) => String(row.function).includes('Stream') && row.action === 'dynamodb:GetItem',
  );
  return Number(found?.count ?? 0);
}

/** Waits until the stream no longer reads its channel: the messages that it has read wait for the reader. */
async function untilStuck(): Promise<void> {
  let before = -1;
  const isStuck = async () => {
    const now = await looks();
    const isSame = now > 0 && now === before;
    before = now;
    return isSame;
  };
  await expect.poll(isStuck, { interval: 1_000 }).toBe(true);
}

test('the stream of a reader that reads nothing ends long before its lifetime, and the reader continues from its offset', async () => {
  const channel = newChannel();
  for (let n = 0; n < MESSAGES; n += AT_ONCE)
    await hub.publish(channel, ...Array.from({ length: AT_ONCE }, (_, at) => `${n + at} ${MESSAGE}`));
  const stuck = await open(channel);
  await untilStuck();
  const second = await open('quiet');
  second.resume();
  const third = async () => {
    const response = await open('quiet');
    response.destroy();
    return response.statusCode;
  };
  expect(await third()).toBe(429);
  await expect.poll(third, { timeout: 90_000, interval: 250 }).toBe(200);
  second.destroy();

  // The reader reads again: the stream ends properly, with a whole event.
  // A function that Lambda ends cuts its stream, and this rejects.
  const said = await text(stuck);
  expect(said.endsWith('\n\n')).toBe(true);
  const [, offset = ''] = said.match(/.*"streamNextOffset":"(\d{16})"/s) ?? [];
  const got = [...said.matchAll(/"(\d+) x/g)].map(([, n]) => Number(n));
  expect(got).toEqual(Array.from(got, (_, n) => n));
  expect(got.length).toBeLessThan(MESSAGES);
  const { messages } = await hub.readAll(channel, offset);
  expect(messages.map((message) => Number(String(message).split(' ')[0]))).toEqual(
    Array.from({ length: MESSAGES - got.length }, (_, n) => got.length + n),
  );
  expect(lines.filter((line) => /timed out|request failed|Warning/.test(line))).toEqual([]);
});

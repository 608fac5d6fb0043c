/** `npm start -- --data`: what a stop and a kill leave behind, and how soon deliveries and quotas recover. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fieldsOf } from '../../protocol/fields.ts';
import { dataOf, type Receiver, startReceiver } from '../support/wire/receiver.ts';
import { callerAt } from '../support/wire/wire.ts';
import { type Command, run, temporaryDirectory } from './support.ts';

const directory = temporaryDirectory();
const { path: cwd } = directory;
const localFile = join(cwd, '.tidings/local.json');
const running = new Set<Command>();
let receiver: Receiver;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  await receiver.close();
  // The script that started a hub may have ended before the hub.
  for (const command of running) if (command.process.exitCode === null) process.kill(local().pid, 'SIGKILL');
  await Promise.all([...running].map(({ ended }) => ended));
  running.clear();
});
afterAll(() => directory.remove());

const local = () => JSON.parse(readFileSync(localFile, 'utf8'));
const hub = () => callerAt(local().url, { Authorization: `Bearer ${local().token}` });

async function start(data: string): Promise<Command> {
  const command = run(cwd, 'scripts/start.ts', '--data', data, '--port', '0');
  running.add(command);
  await expect
    .poll(() => command.output().includes('is ready') || command.process.exitCode !== null, {
      timeout: 45_000,
    })
    .toBe(true);
  if (!command.output().includes('is ready')) throw new Error(command.output());
  return command;
}

/** Kills the hub process itself, so that it cannot clean up. The script that started it stays. */
async function kill(command: Command): Promise<void> {
  process.kill(local().pid, 'SIGKILL');
  await command.ended;
  running.delete(command);
  rmSync(localFile, { force: true });
}

async function stop(command: Command): Promise<void> {
  command.process.kill('SIGINT');
  expect(await command.ended).toBe(0);
  running.delete(command);
}

const endpoint = async (url: string, channel: string) => {
  const body = JSON.stringify({ url, channels: [channel] });
  const headers = { 'Content-Type': 'application/json' };
  expect((await hub().request('/webhooks', { method: 'POST', headers, body })).status).toBe(201);
};

/** Returns the number of long polls that functions serve at this moment. */
async function heldPolls(): Promise<number> {
  const processes: unknown = await (await fetch(`${local().control}/processes`)).json();
  const known = Array.isArray(processes) ? processes.map(fieldsOf) : [];
  const held = known.filter(({ function: path }) => String(path).includes('/Hold/'));
  return held.reduce((sum, { inFlight }) => sum + Number(inFlight), 0);
}

/** Streams of one caller at the same time (PROTOCOL.md §8). */
const MOST_STREAMS = 25;

const wanted = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);
/** A killed process leaves a lease of 25 s, and an attempt that it began is repeated after 5 s. */
const SOON = { timeout: 60_000 };

describe('webhook deliveries', () => {
  test('continue after the hub is killed, without another publish', async () => {
    const first = await start('killed');
    await endpoint(receiver.url, 'orders/1');
    // The receiver is slow, so that the kill happens during deliveries.
    receiver.reply = () => ({ status: 204, afterMs: 200 });
    for (const n of wanted(0, 15)) expect((await hub().publish('orders/1', n)).status).toBe(204);
    await expect.poll(() => receiver.received.length).toBeGreaterThan(0);
    await kill(first);
    const second = await start('killed');
    // Killed before any of these deliveries can have begun.
    for (const n of wanted(15, 30)) expect((await hub().publish('orders/1', n)).status).toBe(204);
    await kill(second);
    const third = await start('killed');
    await expect
      .poll(() => [...new Set(dataOf(receiver))].map(Number).toSorted((a, b) => a - b), SOON)
      .toEqual(wanted(0, 30));

    // The stop waits for an attempt without an answer. A second Ctrl-C ends that wait.
    const before = receiver.received.length;
    receiver.reply = () => ({});
    await hub().publish('orders/1', 'never answered');
    await expect.poll(() => receiver.received.length, SOON).toBeGreaterThan(before);
    third.process.kill('SIGINT');
    await expect.poll(() => third.output()).toContain('stopping');
    // Two signals at the same time count as one, because a terminal and the script that started the hub both send it.
    const askAgain = () => {
      third.process.kill('SIGINT');
      return third.process.exitCode;
    };
    await expect.poll(askAgain, { interval: 200 }).toBe(1);
    running.delete(third);
  }, 240_000);

  test('continue after the hub is stopped', async () => {
    const first = await start('stopped');
    await endpoint(receiver.url, 'orders/1');
    for (const n of wanted(0, 15)) expect((await hub().publish('orders/1', n)).status).toBe(204);
    await stop(first);
    const second = await start('stopped');
    await expect
      .poll(() => [...new Set(dataOf(receiver))].map(Number).toSorted((a, b) => a - b), SOON)
      .toEqual(wanted(0, 15));
    await stop(second);
  }, 180_000);
});

test('a stop ends streams and long polls in order, and frees their quota', async () => {
  const open = (live: string) => hub().request(`/channels/news?offset=now&live=${live}`);
  const first = await start('places');
  // As many as one caller may have (PROTOCOL.md §8).
  const streams = await Promise.all(wanted(0, MOST_STREAMS).map(() => open('sse')));
  expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 200));
  const polls = wanted(0, 10).map(() => open('long-poll'));
  const texts = streams.map((stream) => stream.text());
  await expect.poll(heldPolls).toBe(10);
  await stop(first);
  // The streams ended normally. `text` would reject if they were cut.
  for (const text of await Promise.all(texts)) expect(text).toContain('event: control');
  for (const { status } of await Promise.all(polls)) expect(status).toBe(204);

  const second = await start('places');
  const again = await Promise.all(wanted(0, MOST_STREAMS).map(() => open('sse')));
  expect(again.map(({ status }) => status)).toEqual(again.map(() => 200));
  for (const stream of again) await stream.body?.cancel();
  await stop(second);
}, 180_000);

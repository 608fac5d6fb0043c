/**
 * Presence when things break: connections whose end is never reported, clients that are killed, and settlers that die at any call
 * (PROTOCOL.md §14.3).
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { CALM } from '../../../local/faults/chaos.ts';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { clearFaults, type Fault, inject } from '../../support/wire/faults.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { type Caller, callerAt, newChannel } from '../../support/wire/wire.ts';

/** A lost client is shown for at most 90 s. On a busy machine the queue takes a little longer. */
const LOST = { timeout: 110_000, interval: 500 };

/** Each test waits for what the hub finds out after a minute, or for the queue to deliver again. */
const BUSY = { timeout: 300_000 };

let running: RunningHub;
let hub: Caller;
beforeAll(async () => {
  running = await startHub({
    // No end of a connection is reported.
    chaos: { ...CALM, lostDisconnects: 1 },
    context: { 'tidings:presence': ['present/*'] },
  });
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
});
afterEach(() => clearFaults(running.stack.control));
afterAll(async () => {
  await saveGrants('presence', running.stack.control);
  await running.close();
});

const arm = (fault: Fault) => inject(running.stack.control, fault);
const newPlace = () => newChannel('present');

/** Opens a socket that is in a channel. */
async function member(channel: string, presence: unknown): Promise<WebSocket> {
  const socket = new WebSocket(running.stack.socketUrl ?? '', {
    headers: { Authorization: `Bearer ${running.token}` },
  });
  await once(socket, 'open');
  socket.send(JSON.stringify({ action: 'subscribe', channel, presence }));
  await once(socket, 'message');
  return socket;
}

/** The data of those that the presence channel shows to a reader who begins at latest. */
async function shown(channel: string): Promise<unknown[]> {
  const response = await hub.request(`/channels/tidings/presence/${channel}?offset=latest`);
  if (response.status !== 200) return [response.status];
  const messages: unknown = await response.json();
  return Array.isArray(messages) ? messages.map((message) => Object(message).value.data).toSorted() : [];
}

/** A process with a socket that is in a channel. It says so on its output. */
async function clientProcess(channel: string): Promise<ChildProcess> {
  const script = `
    const { connect } = await import(${JSON.stringify(resolve('client/index.ts'))});
    const { url, socketUrl, token } = JSON.parse(process.env.HUB);
    connect({ url, socketUrl, token }).presence(process.env.CHANNEL, {
      data: 'killed',
      onChange: (members) => members.length > 0 && console.log('there'),
    });`;
  const { url, socketUrl } = running.stack;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, CHANNEL: channel, HUB: JSON.stringify({ url, socketUrl, token: running.token }) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout ?? child, 'data');
  return child;
}

test(
  'a client that is lost without a word is gone within 90 s, and a socket that pings stays',
  BUSY,
  async () => {
    const [killed, lost, told] = [newPlace(), newPlace(), newPlace()];
    const child = await clientProcess(killed);
    const sockets = [await member(lost, 'lost'), await member(told, 'told')];
    const stays = await member(lost, 'stays');
    const reader = newPlace();
    const poll = `/channels/${reader}?offset=now&live=long-poll&reader=r&presence="reader"`;
    expect((await hub.request(poll, { headers: { Prefer: 'wait=0' } })).status).toBe(204);
    const pings = setInterval(() => stays.send('{"action":"ping"}'), 20_000);
    try {
      await expect.poll(() => shown(killed)).toEqual(['killed']);
      await expect.poll(() => shown(lost)).toEqual(['lost', 'stays']);
      await expect.poll(() => shown(told)).toEqual(['told']);
      child.kill('SIGKILL');
      for (const socket of sockets) socket.terminate();
      // The push finds the connection gone, and need not wait for its pings.
      await hub.publish(told, 'news');
      await expect.poll(() => shown(told), { timeout: 45_000 }).toEqual([]);
      await Promise.all([
        expect.poll(() => shown(killed), LOST).toEqual([]),
        expect.poll(() => shown(lost), LOST).toEqual(['stays']),
        expect.poll(() => shown(reader), LOST).toEqual([]),
      ]);
      const { count } = Object(await (await hub.request(`/presence/${lost}`)).json());
      expect(count).toBe(1);
    } finally {
      clearInterval(pings);
      child.kill('SIGKILL');
      stays.terminate();
    }
  },
);

test('a settler that dies at any call loses nobody, and shows nobody for ever', BUSY, async () => {
  const calls: Pick<Fault, 'at' | 'action' | 'resource'>[] = [
    { at: 'after', action: 'dynamodb:UpdateItem', resource: 'Subscribers' },
    { at: 'before', action: 'dynamodb:PutItem', resource: 'Entries' },
    { at: 'after', action: 'dynamodb:PutItem', resource: 'Entries' },
  ];
  for (const call of calls) {
    const channel = newPlace();
    await arm({ function: 'Presence', effect: 'kill', ...call });
    const socket = await member(channel, 'here');
    await expect.poll(() => shown(channel), LOST).toEqual(['here']);
    await clearFaults(running.stack.control);
    socket.send(JSON.stringify({ action: 'unsubscribe', channel }));
    await expect.poll(() => shown(channel), LOST).toEqual([]);
    socket.terminate();
  }
});

test(
  'while the topic is busy, and the answer to a write is lost, a change is published once',
  BUSY,
  async () => {
    const channel = newPlace();
    const presence = `tidings/presence/${channel}`;
    const frames: string[] = [];
    const listening = await member(presence, undefined);
    listening.on('message', (data) => frames.push(String(data)));
    const busy = { status: 400, type: 'ThrottlingException', message: 'x' };
    await arm({ function: 'Presence', at: 'before', action: 'sns:Publish', effect: busy, times: 9 });
    const lost = { status: 500, type: 'InternalServerError', message: 'x' };
    await arm({
      function: 'Presence',
      at: 'after',
      action: 'dynamodb:PutItem',
      resource: 'Entries',
      effect: lost,
    });
    const socket = await member(channel, 'once');
    await expect.poll(() => frames.filter((frame) => frame.includes('"once"')).length).toBe(1);
    expect(await shown(channel)).toEqual(['once']);
    const { messages } = await hub.readAll(presence);
    expect(messages.map((message) => Object(message).headers.operation)).toEqual(['insert']);
    socket.terminate();
    listening.terminate();
  },
);

/**
 * One client that sends 5,000 messages a second on its socket does not delay the others for long (PROTOCOL.md §8, §12.2).
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { openSocket } from '../../support/wire/socket.ts';
import { callerAt, newChannel } from '../../support/wire/wire.ts';

let running: RunningHub;
beforeAll(async () => {
  // Each process counts the messages of a connection for itself. If several serve a connection, the limit is several times as high.
  running = await startHub({ concurrency: 64 });
});
afterAll(async () => {
  await saveGrants('flood', running.stack.control);
  await running.close();
});

const opening = () => ({
  url: running.stack.socketUrl ?? '',
  headers: { Authorization: `Bearer ${running.token}` },
});

/** Opens a socket that accepts every frame, the refusals of the gateway too. */
async function openWire(): Promise<WebSocket> {
  const { url, headers } = opening();
  const wire = new WebSocket(url, { headers });
  await new Promise((resolve, reject) => wire.once('open', resolve).once('error', reject));
  return wire;
}

/** Sends 5,000 pings a second until the connection ends. */
function flood(wire: WebSocket): void {
  let n = 0;
  const timer = setInterval(() => {
    for (let many = 0; many < 100 && wire.readyState === WebSocket.OPEN; many++)
      wire.send(JSON.stringify({ action: 'ping', id: String(++n) }));
  }, 20);
  wire.on('close', () => clearInterval(timer));
}

test('a client below the rate is answered, and so is a whole burst of 500', async () => {
  const socket = await openSocket(opening());
  const answers = await Promise.all(Array.from({ length: 500 }, () => socket.ask({ action: 'ping' })));
  expect(answers.every(({ type }) => type === 'pong')).toBe(true);
  await socket.close();
});

test('a client that floods is refused, then disconnected, and the others are served', async () => {
  const other = await openSocket(opening());
  expect(await other.ask({ action: 'ping' })).toMatchObject({ type: 'pong' });
  const caller = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
  const wire = await openWire();
  const heard: string[] = [];
  wire.on('message', (data) => heard.push(String(data)));
  const ended = new Promise<number>((resolve) => wire.once('close', resolve));
  const channel = newChannel();
  expect((await caller.publish(channel, 'before')).status).toBe(204);
  flood(wire);
  // Publishes have their own rate, and succeed meanwhile.
  expect((await caller.publish(channel, 'during')).status).toBe(204);
  expect(await ended).toBe(1000);
  expect(heard.some((frame) => frame.includes('"too_many_requests"') && frame.includes('"id"'))).toBe(true);

  // After a second the rate of all sockets is available again, and no work of the flood is left.
  const probe = await openWire();
  let pongs = 0;
  probe.on('message', (data) => {
    pongs = String(data).includes('"pong"') ? pongs + 1 : 0;
  });
  const asking = setInterval(() => probe.send('{"action":"ping"}'), 20);
  await expect.poll(() => pongs).toBeGreaterThan(20);
  clearInterval(asking);
  probe.close();
  for (let n = 0; n < 50; n++) expect(await other.ask({ action: 'ping' })).toMatchObject({ type: 'pong' });
  const published = await other.ask({ action: 'publish', channel, messages: ['after'] });
  expect(published).toMatchObject({ type: 'published' });
  expect((await caller.readAll(channel)).messages).toEqual(['before', 'during', 'after']);
  await other.close();
});

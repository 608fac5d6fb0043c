/**
 * Ephemeral messages when answers of AWS are lost: nothing is repeated that may have arrived (PROTOCOL.md §4.7).
 * @module
 */
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { EPHEMERAL, sendUntil } from '../../support/wire/ephemeral.ts';
import { clearFaults, type Fault, inject } from '../../support/wire/faults.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { type Caller, callerAt, newChannel } from '../../support/wire/wire.ts';

let running: RunningHub;
let hub: Caller;
beforeAll(async () => {
  running = await startHub();
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
});
afterEach(() => clearFaults(running.stack.control));
afterAll(async () => {
  await saveGrants('ephemeral', running.stack.control);
  await running.close();
});

/** Subscribes on a socket. Returns the ephemeral messages that come on it. */
async function heardOn(channel: string): Promise<unknown[]> {
  const heard: unknown[] = [];
  const protocols = ['tidings.v1', `bearer.${running.token}`];
  const socket = new WebSocket(running.stack.socketUrl ?? '', protocols);
  onTestFinished(() => socket.close());
  await new Promise<void>((resolve, reject) => {
    socket.on('open', () => socket.send(JSON.stringify({ action: 'subscribe', channel })));
    socket.on('error', reject);
    socket.on('message', (data) => {
      const { type, messages } = JSON.parse(String(data));
      if (type === 'subscribed') resolve();
      if (type === 'error') reject(new Error(String(data)));
      if (type === 'ephemeral') heard.push(...messages);
    });
  });
  return heard;
}

const post = async (channel: string, message: string): Promise<number> => {
  const init = { method: 'POST', headers: EPHEMERAL, body: JSON.stringify(message) };
  return (await hub.request(`/channels/${channel}`, init)).status;
};

/** Sends others until three have arrived: time in which a repetition of an earlier message would have come too. */
async function later(channel: string, heard: readonly unknown[]): Promise<void> {
  for (const other of ['later 1', 'later 2', 'later 3'])
    await sendUntil(expect.poll(() => heard, { timeout: 60_000 }).toContain(other), () =>
      post(channel, other),
    );
}

test.each<[string, Fault]>([
  ['a post', { function: 'Push', at: 'after', action: 'execute-api:ManageConnections', effect: 'reset' }],
  ['a call to the queue', { function: 'Publish', at: 'after', action: 'sqs:SendMessage', effect: 'reset' }],
])('a message arrives once if the answer to %s is lost', async (_name, fault) => {
  const channel = newChannel();
  const heard = await heardOn(channel);
  await later(channel, heard);
  // On a machine that is busy a message may be too old when it is posted. Then the next one is looked at.
  for (let nth = 1; !heard.includes(`once ${nth - 1}`); nth++) {
    await inject(running.stack.control, fault);
    const status = await post(channel, `once ${nth}`);
    // The caller does not know whether the queue has the message.
    if (fault.function === 'Publish') expect(status).toBe(503);
    heard.splice(0, heard.length, ...heard.filter((message) => !String(message).startsWith('later')));
    await later(channel, heard);
  }
  const onces = heard.filter((message) => String(message).startsWith('once'));
  expect(onces).toEqual([...new Set(onces)]);
});

test('a message that the gateway refuses for a slow subscriber is lost for that subscriber', async () => {
  const channel = newChannel();
  const heard = await heardOn(channel);
  await later(channel, heard);
  const effect = { status: 429, type: 'LimitExceededException', message: 'x' };
  await inject(running.stack.control, {
    function: 'Push',
    at: 'before',
    action: 'execute-api:ManageConnections',
    effect,
  });
  await post(channel, 'refused');
  heard.length = 0;
  await later(channel, heard);
  expect(heard).not.toContain('refused');
});

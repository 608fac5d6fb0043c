/**
 * The fold of keyed channels beside publishers that die (PROTOCOL.md §5.4): readers get the newest message of each key at any moment.
 * It waits for the batching window of its queue, so these tests take longer than others.
 * @module
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { clearFaults, inject } from '../../support/wire/faults.ts';
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
  await saveGrants('fold', running.stack.control);
  await running.close();
});

/** Returns true if the fold has used a grant. @param table part of the ARN of a table or queue */
async function hasUsed(action: string, table = ''): Promise<boolean> {
  const grants: unknown = await (await fetch(`${running.stack.control}/grants`)).json();
  if (!Array.isArray(grants)) throw new Error('the grants are no list');
  return grants.some(
    (row) =>
      /Fold/.test(row.function) && row.action === action && row.resource.includes(table) && row.used === true,
  );
}

/** The value that changes is the larger one, so that each fold writes the chunk before it again. */
const value = (k: string, n: number) => ({ k, n, text: k === 'last' ? 'x'.repeat(500) : '' });
const latest = async (channel: string): Promise<unknown> => (await hub.readAll(channel, 'latest')).messages;

/** Longer than the window, and the time in which a removal is tried again. */
const FOLDED = { timeout: 120_000, interval: 250 };

test('publishers die while channels are folded: nothing is lost, and a snapshot goes with its channel', async () => {
  const channel = newChannel('keyed');
  const headers = { 'Content-Type': 'application/json', 'Stream-Key': '/k' };
  expect((await hub.request(`/channels/${channel}`, { method: 'PUT', headers })).status).toBe(201);
  await hub.publish(channel, value('first', 0));
  // The answer to the first tombstone is lost. The fold asks whose entry is there.
  const lostAnswer = {
    at: 'after',
    action: 'dynamodb:PutItem',
    resource: 'LogEntries',
    effect: 'reset',
  } as const;
  await inject(running.stack.control, { function: 'Fold', ...lostAnswer });
  let n = 0;
  // Each fold meets a gap that is too young to be sealed, and looks again.
  const publishWithGap = async () => {
    const { control } = running.stack;
    await inject(control, { function: 'Publish', at: 'before', action: 'dynamodb:PutItem', effect: 'kill' });
    await hub.publish(channel, value('lost', n));
    expect((await hub.publish(channel, value('last', ++n))).status).toBe(204);
    return (await hasUsed('sqs:SendMessage')) && (await hasUsed('dynamodb:GetItem', 'LogEntries'));
  };
  await expect.poll(publishWithGap, FOLDED).toBe(true);
  await expect.poll(() => latest(channel), FOLDED).toEqual([value('first', 0), value('last', n)]);
  // What is folded again replaces a chunk.
  await expect.poll(() => hasUsed('dynamodb:DeleteItem'), FOLDED).toBe(true);
  expect(await latest(channel)).toEqual([value('first', 0), value('last', n)]);

  expect((await hub.request(`/channels/${channel}`, { method: 'DELETE' })).status).toBe(204);
  expect(await latest(channel)).toEqual([]);
  expect((await hub.request(`/channels/${channel}`, { method: 'PUT', headers })).status).toBe(201);
  expect(await latest(channel)).toEqual([]);
}, 300_000);

test('a fold that fails is in the log of its function', async () => {
  const channel = newChannel('keyed');
  const headers = { 'Content-Type': 'application/json', 'Stream-Key': '/k' };
  expect((await hub.request(`/channels/${channel}`, { method: 'PUT', headers })).status).toBe(201);
  await inject(running.stack.control, {
    function: 'Fold',
    at: 'before',
    action: 'dynamodb:GetItem',
    effect: { status: 400, type: 'com.amazon.coral.service#AccessDeniedException', message: 'x' },
  });
  await hub.publish(channel, value('first', 0));
  await expect.poll(() => hasUsed('logs:PutLogEvents'), FOLDED).toBe(true);
}, 300_000);

/**
 * The webhook receiver after downtime: a replay brings what came meanwhile, and what it had before.
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { isHubLocal, webhooksOf } from '../../support/webhooks/webhook-calls.ts';
import { callerWith, EVERYTHING, newChannel } from '../../support/wire/wire.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const hub = callerWith(EVERYTHING);
const webhooks = webhooksOf(hub);
const running = new Set<ChildProcess>();
afterAll(async () => {
  for (const receiver of running) receiver.kill();
  await webhooks.removeAll();
});

/** Starts the receiver, and waits until it listens. @param port 0 for a free one */
async function start(port: string) {
  const receiver = spawn(process.execPath, [resolve('examples/webhook-receiver/receiver.ts')], {
    env: { ...process.env, WEBHOOK_SECRET: SECRET, PORT: port },
  });
  running.add(receiver);
  let printed = '';
  for (const stream of [receiver.stdout, receiver.stderr])
    stream.on('data', (chunk) => {
      printed += String(chunk);
    });
  await expect.poll(() => printed).toContain('receiving at');
  return {
    url: /http:\S+/.exec(printed)?.[0] ?? '',
    /** The numbers of the messages that it has printed, sorted. */
    numbers: () => [...printed.matchAll(/"data":\{"n":(\d+)\}/g)].map(([, n]) => Number(n)).sort(),
    printed: () => printed,
    async stop() {
      receiver.kill();
      await once(receiver, 'close');
      running.delete(receiver);
    },
  };
}

describe.runIf(isHubLocal)('the receiver', () => {
  test('was down: a replay brings what came meanwhile, and what it had before', async () => {
    const channel = newChannel('orders');
    const before = await start('0');
    const { id } = await webhooks.create(before.url, [channel], { secret: SECRET });
    await hub.publish(channel, { n: 1 });
    await expect.poll(before.numbers).toEqual([1]);
    await before.stop();

    await hub.publish(channel, { n: 2 }, { n: 3 });
    await expect.poll(() => webhooks.statuses(id)).toEqual(['waiting', 'waiting', 'delivered']);
    const after = await start(new URL(before.url).port);
    expect((await webhooks.ask('POST', `/${id}/replay`, { channel, offset: '-1' })).status).toBe(202);
    // The hub repeats by itself what has failed. Only the replay brings the first message again.
    await expect.poll(after.numbers).toEqual([1, 2, 3]);
    await expect.poll(() => webhooks.statuses(id)).toEqual(['delivered', 'delivered', 'delivered']);
    const [first = ''] = before.printed().match(/^\{.*"n":1.*$/m) ?? [];
    expect(first).not.toBe('');
    expect(after.printed()).toContain(first);
    expect(before.printed() + after.printed()).not.toMatch(/refused|failed/);
    await after.stop();
  });
});

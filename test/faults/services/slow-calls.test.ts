/**
 * Each call to a store or queue is late once, one after the other: the SDK repeats it, and the late call is carried out too. A
 * publish still takes one slot, a read finds every acknowledged message, and sockets and endpoints get all of them within
 * seconds (PROTOCOL.md §4, §11, §12.4).
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { clearFaults, type Fault, inject } from '../../support/wire/faults.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { type Listener, listen } from '../../support/wire/listener.ts';
import { type Receiver, startReceiver } from '../../support/wire/receiver.ts';
import { type Caller, callerAt, newChannel, refusalOf, throughBusy } from '../../support/wire/wire.ts';

/** Longer than the SDK waits for one attempt (800 ms), in milliseconds. */
const LATE_MS = 1_100;
/** Longer than the hub waits for a claim (5 s), which it does not repeat, in milliseconds. */
const TOO_LATE_MS = 5_500;
/** A message that was lost comes again after 150 s, when its visibility timeout ends: so these are seconds, on a busy machine too. */
const SOME_SECONDS = { timeout: 30_000, interval: 50 };
/** Calls that a function makes at least for an event. Later calls belong to the following events. */
const CALLS = 10;

/** Publishes at the same time. */
const MANY = 30;

type Handler = Fault['function'];
const HANDLERS: readonly Handler[] = ['Publish', 'Push', 'Dispatch', 'Deliver', 'Read'];

let running: RunningHub;
let hub: Caller;
let receiver: Receiver;
beforeAll(async () => {
  running = await startHub();
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
  receiver = await startReceiver();
});
afterEach(() => clearFaults(running.stack.control));
afterAll(async () => {
  await saveGrants('slow-calls', running.stack.control);
  await running.close();
  await receiver.close();
});

const late = (handler: Handler, at: 'before' | 'after', call: number): Promise<void> =>
  inject(running.stack.control, { function: handler, at, call, effect: { delayMs: LATE_MS } });
const subscribed = (channel: string): Promise<Listener> =>
  listen(running.stack.socketUrl ?? '', running.token, channel);

/** Returns the number of the entry of a publish: an offset begins with its twelve digits (docs/adr/0001). */
function slotOf(response: Response): number {
  expect(response.status).toBe(204);
  const offset = response.headers.get('Stream-Next-Offset') ?? '';
  expect(offset).toMatch(/^\d{16}$/);
  return Number(offset.slice(0, 12));
}

async function endpointFor(channel: string): Promise<() => unknown[]> {
  const url = `${receiver.url}/${channel.replace('/', '-')}`;
  const init = { method: 'POST', body: JSON.stringify({ url, channels: [channel] }) };
  expect((await hub.request('/webhooks', init)).status).toBe(201);
  const ofChannel = () => receiver.received.filter(({ body }) => body.channel === channel);
  return () => [...new Set(ofChannel().map(({ body }) => body.data))].sort();
}

describe.each(['before', 'after'] as const)('a call that is late %s it is carried out', (at) => {
  test.each(Array.from({ length: CALLS }, (_, nth) => nth + 1))('number %i of each function', async (nth) => {
    const channel = newChannel('slow');
    const [pattern] = channel.split('/');
    const delivered = await endpointFor(channel);
    await late('Socket', at, nth);
    const listeners = [
      await subscribed(channel),
      await subscribed(channel),
      await subscribed(`${pattern}/*`),
    ];
    slotOf(await hub.publish(channel, 0));
    for (const handler of HANDLERS) await late(handler, at, nth);
    const slots: number[] = [];
    for (const n of [1, 2, 3]) {
      slots.push(slotOf(await hub.publish(channel, n)));
      expect((await hub.readAll(channel)).messages.at(-1)).toBe(n);
    }
    const [first = 0] = slots;
    expect(slots).toEqual([first, first + 1, first + 2]);
    const everyone = () => listeners.map(({ taken }) => taken);
    await expect.poll(everyone, SOME_SECONDS).toEqual(listeners.map(() => [0, 1, 2, 3]));
    await expect.poll(delivered, SOME_SECONDS).toEqual([0, 1, 2, 3]);
    // The late call is carried out by now. If it had moved a member back or forth, the member would miss one of these messages.
    await wait(LATE_MS);
    slotOf(await hub.publish(channel, 4));
    await expect.poll(everyone, SOME_SECONDS).toEqual(listeners.map(() => [0, 1, 2, 3, 4]));
    expect(listeners.flatMap(({ breaks }) => breaks)).toEqual([]);
    await Promise.all(listeners.map((listener) => listener.close()));
  });
});

describe('a claim that is too late', () => {
  test.each(['before', 'after'] as const)(
    '%s it is carried out: the publish is answered 503, and nothing else is lost',
    async (at) => {
      const channel = newChannel('slow');
      const listener = await subscribed(channel);
      slotOf(await hub.publish(channel, 'first'));
      const action = 'dynamodb:UpdateItem';
      await inject(running.stack.control, {
        function: 'Publish',
        at,
        action,
        effect: { delayMs: TOO_LATE_MS },
      });
      const response = await hub.publish(channel, 'unknown');
      expect(await refusalOf(response)).toEqual([503, 'unavailable']);
      await wait(at === 'before' ? TOO_LATE_MS : 0);
      // A caller follows Retry-After.
      slotOf(await throughBusy(() => hub.publish(channel, 'last')));
      // A read that starts now finds it, although the claim leaves a gap.
      expect((await hub.readAll(channel)).messages).toEqual(['first', 'last']);
      await expect.poll(() => listener.taken, SOME_SECONDS).toEqual(['first', 'last']);
      expect(listener.breaks).toEqual([]);
      await listener.close();
    },
  );
});

test('many publishes at once take one slot each, and each is found when it is answered', async () => {
  const channel = newChannel('slow');
  const first = slotOf(await hub.publish(channel, 'first'));
  const publishes = Array.from({ length: MANY }, async (_, n) => {
    const response = await hub.publish(channel, n);
    // On a busy machine the store may be busy too: then the publish was not acknowledged.
    if (response.status === 503) return [];
    const slot = slotOf(response);
    const { messages } = await hub.readAll(channel);
    return [{ slot, isFound: messages.includes(n) }];
  });
  const done = (await Promise.all(publishes)).flat();
  expect(done.length).toBeGreaterThan(0);
  expect(done.filter(({ isFound }) => !isFound)).toEqual([]);
  expect(new Set(done.map(({ slot }) => slot)).size).toBe(done.length);
  await expect.poll(async () => (await hub.publish(channel, 'last')).status, SOME_SECONDS).toBe(204);
  expect(slotOf(await hub.publish(channel, 'end')) - first).toBeLessThanOrEqual(MANY + 2);
});

/**
 * The client on keyed channels (PROTOCOL.md §5.4, §5.5), by each transport.
 * @module
 */
import { beforeAll, describe, expect, inject, test } from 'vitest';
import type { SubscribeOptions } from '../../../client/connect.ts';
import { type Batch, connect, type Hub, type TidingsError } from '../../../client/index.ts';
import { type Caller, callerWith, EVERYTHING, newChannel, token } from '../../support/wire/wire.ts';

let caller: Caller;
let bearer: string;
beforeAll(async () => {
  caller = await callerWith(EVERYTHING);
  bearer = await token(EVERYTHING);
});

const quote = (symbol: string, price: number) => ({ symbol, price });

async function prices(): Promise<string> {
  const channel = newChannel('keyed');
  const headers = { 'Content-Type': 'application/json', 'Stream-Key': '/symbol' };
  await caller.request(`/channels/${channel}`, { method: 'PUT', headers });
  await caller.publish(channel, quote('A', 1), quote('B', 2), quote('A', 3));
  return channel;
}

function see(hub: Hub, channel: string, options: Omit<SubscribeOptions, 'onMessages'>) {
  const batches: Batch[] = [];
  const errors: string[] = [];
  hub.subscribe(channel, {
    ...options,
    onMessages: (batch) => void batches.push(batch),
    onError: ({ code }: TidingsError) => void errors.push(code),
  });
  return { messages: () => batches.flatMap(({ messages }) => messages), errors };
}

describe.each(['websocket', 'sse', 'long-poll', 'poll'] as const)('by %s', (transport) => {
  const connected = () => connect({ url: inject('hub').url, token: bearer, transports: [transport] });

  test('a subscription begins with the newest message of each key, and continues', async () => {
    const channel = await prices();
    const hub = connected();
    const { messages, errors } = see(hub, channel, { latest: true });
    await expect.poll(messages).toEqual([quote('B', 2), quote('A', 3)]);
    await hub.publish(channel, [quote('C', 4)]);
    await expect.poll(messages).toEqual([quote('B', 2), quote('A', 3), quote('C', 4)]);
    expect(errors).toEqual([]);
    hub.close();
  });

  test('one that conflates skips what was replaced, and others of the same channel get everything', async () => {
    const channel = await prices();
    const hub = connected();
    const some = see(hub, channel, { offset: '-1', conflate: true });
    await expect.poll(some.messages).toEqual([quote('B', 2), quote('A', 3)]);
    const all = see(hub, channel, { offset: '-1' });
    await expect.poll(all.messages).toEqual([quote('A', 1), quote('B', 2), quote('A', 3)]);
    await hub.publish(channel, [quote('B', 4)]);
    await expect
      .poll(() => [some.messages().at(-1), all.messages().at(-1)])
      .toEqual([quote('B', 4), quote('B', 4)]);
    expect([some.errors, all.errors]).toEqual([[], []]);
    hub.close();
  });

  test('a channel without a key is refused', async () => {
    const channel = newChannel();
    await caller.publish(channel, 1);
    // Two subscriptions of one client would share one at the hub.
    for (const [options, code] of [
      [{ latest: true }, 'bad_offset'],
      [{ offset: '-1', conflate: true }, 'bad_request'],
    ] as const) {
      const hub = connected();
      const { errors } = see(hub, channel, options);
      await expect.poll(() => errors).toEqual([code]);
      hub.close();
    }
  });
});

test('an iterator begins with the newest messages, and two starts together are refused', async () => {
  const channel = await prices();
  const hub = connect({ url: inject('hub').url, token: bearer });
  const first = await hub.messages(channel, { latest: true, conflate: true }).next();
  expect(first.value?.messages).toEqual([quote('B', 2), quote('A', 3)]);
  const { errors } = see(hub, channel, { latest: true, last: 3 });
  await expect.poll(() => errors).toEqual(['bad_offset']);
  hub.close();
});

/**
 * Clients that know nothing of this hub: the Durable Streams client, and the EventSource of npm.
 * @module
 */
import { DurableStream, stream as readStream } from '@durable-streams/client';
import { EventSource } from 'eventsource';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { callerWith, EVERYTHING, newChannel, token } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);
let bearer: string;
beforeAll(async () => {
  bearer = `Bearer ${await token(EVERYTHING)}`;
});

const urlOf = (channel: string): string => `${inject('hub').url}/v1/stream/${channel}`;

describe('@durable-streams/client', () => {
  const options = (channel: string) => ({ url: urlOf(channel), headers: { Authorization: bearer } });

  test('creates, appends, catches up and describes', async () => {
    const handle = await DurableStream.create({ ...options(newChannel()), contentType: 'application/json' });
    await Promise.all([1, 2, 3].map((n) => handle.append(JSON.stringify({ n }))));
    const response = await handle.stream<{ n: number }>({ live: false });
    expect(await response.json()).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect(await handle.head()).toMatchObject({ exists: true, contentType: 'application/json' });
    await handle.delete();
  });

  test.each(['long-poll', 'sse', true] as const)(
    'follows with live: %s from its offset, to the end',
    async (live) => {
      const channel = newChannel();
      await hub.publish(channel, 0);
      const response = await readStream<number>({ ...options(channel), offset: '-1', live });
      const seen: number[] = [];
      const all = new Promise<void>((resolve) => {
        response.subscribeJson(async ({ items }) => {
          seen.push(...items);
          if (seen.length >= 5) resolve();
        });
      });
      for (let n = 1; n < 5; n++) await hub.publish(channel, n);
      await all;
      response.cancel();
      expect(seen).toEqual([0, 1, 2, 3, 4]);
    },
  );
});

test('npm eventsource: opens before anything is published, and resumes where it was', async () => {
  const channel = newChannel();
  const source = new EventSource(urlOf(channel), {
    fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, Authorization: bearer } }),
  });
  const seen: unknown[] = [];
  source.addEventListener('message', ({ data }) => seen.push(JSON.parse(data)));
  await new Promise((resolve) => source.addEventListener('open', resolve, { once: true }));
  expect(seen).toEqual([]);
  await hub.publish(channel, 'one', 'two');
  await expect.poll(() => seen).toEqual(['one', 'two']);
  await hub.request(`/channels/${channel}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Stream-Closed': 'true' },
    body: '"last"',
  });
  // The stream ends with its channel. The source connects again, gets 204, and does not come back.
  await expect.poll(() => source.readyState).toBe(EventSource.CLOSED);
  expect(seen).toEqual(['one', 'two', 'last']);
});

/**
 * The State Protocol of Durable Streams, by its own library, on a keyed channel (PROTOCOL.md §4.8, §5.4).
 * @module
 */
import { stream as readStream } from '@durable-streams/client';
import { type ChangeEvent, MaterializedState } from '@durable-streams/state';
import { beforeAll, expect, inject, test } from 'vitest';
import { type Caller, callerWith, EVERYTHING, newChannel, token } from '../../support/wire/wire.ts';

let hub: Caller;
let bearer: string;
beforeAll(async () => {
  hub = await callerWith(EVERYTHING);
  bearer = `Bearer ${await token(EVERYTHING)}`;
});

const change = (
  key: string,
  operation: ChangeEvent['headers']['operation'],
  value?: object,
): ChangeEvent => ({ type: 'user', key, headers: { operation }, ...(value ? { value } : {}) });

/** Reads from `latest`, and materializes what comes. */
async function materialize(channel: string, live: 'long-poll' | 'sse') {
  const state = new MaterializedState();
  const response = await readStream<ChangeEvent>({
    url: `${inject('hub').url}/v1/stream/${channel}`,
    headers: { Authorization: bearer },
    offset: 'latest',
    live,
  });
  response.subscribeJson(async ({ items }) => state.applyBatch([...items]));
  return { users: () => Object.fromEntries(state.getType('user')), cancel: () => response.cancel() };
}

test.each(['long-poll', 'sse'] as const)(
  'is materialized from latest, and follows with live: %s',
  async (live) => {
    const channel = newChannel('keyed');
    const headers = { 'Content-Type': 'application/json', 'Stream-Key': '/type,/key' };
    expect((await hub.request(`/channels/${channel}`, { method: 'PUT', headers })).status).toBe(201);
    await hub.publish(
      channel,
      change('1', 'insert', { name: 'Ann' }),
      change('2', 'insert', { name: 'Bob' }),
    );
    await hub.publish(
      channel,
      change('1', 'update', { name: 'Anne' }),
      change('3', 'insert', { name: 'Cy' }),
    );
    await hub.publish(channel, change('2', 'delete'));
    const { users, cancel } = await materialize(channel, live);
    await expect.poll(users).toEqual({ 1: { name: 'Anne' }, 3: { name: 'Cy' } });
    await hub.publish(channel, change('3', 'delete'), change('4', 'upsert', { name: 'Di' }));
    await expect.poll(users).toEqual({ 1: { name: 'Anne' }, 4: { name: 'Di' } });
    cancel();
  },
);

/**
 * PROTOCOL.md §4.6 over the wire: readers learn from the hub who published, on every transport.
 * @module
 */
import { describe, expect, inject, test } from 'vitest';
import { mint } from '../../../scripts/mint.ts';
import { openStream } from '../../support/wire/event-stream.ts';
import { follow, subscribe } from '../../support/wire/follow.ts';
import { startReceiver } from '../../support/wire/receiver.ts';
import { openSocket } from '../../support/wire/socket.ts';
import { callerAt, EVERYTHING, newChannel, refusalOf } from '../../support/wire/wire.ts';

// The options of a deployed hub are not known here: test/flow/setup.ts sets this one on the local hub.
const { url, issuer, ...keys } = inject('hub');
const isLocal = issuer !== undefined;

const tokenOf = (sub: string | undefined): Promise<string> =>
  mint({ ...keys, capability: EVERYTHING, ttlSeconds: 600, sub });
const callerOf = async (sub: string | undefined) =>
  callerAt(url, { Authorization: `Bearer ${await tokenOf(sub)}` });

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const byAlice = (more: object) => ({ sender: 'alice', sentAt: expect.stringMatching(TIME), ...more });

describe.runIf(isLocal)('on a channel with stamps', () => {
  test('a message says who published it and when, by each way to publish and to read', async () => {
    const channel = newChannel('stamped');
    const alice = await callerOf('alice');
    const socket = await openSocket({ headers: { Authorization: `Bearer ${await tokenOf('alice')}` } });
    const from = await subscribe(socket, channel);
    await alice.publish(channel, { n: 1 }, { n: 2 });
    await socket.ask({ action: 'publish', channel, messages: [{ n: 3 }] });
    const expected = [1, 2, 3].map((n) => byAlice({ n }));
    expect((await alice.readAll(channel)).messages).toEqual(expected);
    expect((await follow(socket, { channel, from }, 3)).messages).toEqual(expected);
    const stream = await openStream(alice, `/channels/${channel}?offset=-1&live=sse`);
    expect(JSON.parse((await stream.next())?.data ?? '')).toEqual(expected);
    await stream.close();
    const polled = await alice.request(`/channels/${channel}?offset=-1&live=long-poll`);
    expect(await polled.json()).toEqual(expected);
  });

  test('also a channel that is created with messages, and a publisher without a sub', async () => {
    const channel = newChannel('stamped');
    const nobody = await callerOf(undefined);
    const init = { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: '[{"n":1}]' };
    expect((await nobody.request(`/channels/${channel}`, init)).status).toBe(201);
    expect((await nobody.readAll(channel)).messages).toEqual([{ ...byAlice({ n: 1 }), sender: null }]);
  });

  test('the most specific pattern counts alone', async () => {
    const channel = newChannel('stamped/plain');
    const alice = await callerOf('alice');
    await alice.publish(channel, { sender: 'the own one of the message' });
    expect((await alice.readAll(channel)).messages).toEqual([
      { by: 'alice', sender: 'the own one of the message' },
    ]);
  });

  test('a webhook has the members as well', async () => {
    const receiver = await startReceiver();
    const channel = newChannel('stamped');
    const alice = await callerOf('alice');
    const headers = { 'Content-Type': 'application/json' };
    const body = JSON.stringify({ url: `${receiver.url}/stamps`, channels: [channel] });
    expect((await alice.request('/webhooks', { method: 'POST', headers, body })).status).toBe(201);
    await alice.publish(channel, { n: 1 });
    await expect.poll(() => receiver.received.map(({ body }) => body.data)).toEqual([byAlice({ n: 1 })]);
    await receiver.close();
  });

  test('nobody can pretend: such a member, and a message that is no object, is refused, and nothing is stored', async () => {
    const channel = newChannel('stamped');
    const mallory = await callerOf('mallory');
    for (const batch of [[{ sender: 'alice' }], [{ n: 1 }, { sentAt: 0 }], [1], [null], [[{ n: 1 }]]])
      expect(await refusalOf(await mallory.publish(channel, ...batch))).toEqual([400, 'reserved_member']);
    const bytes = { method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: 'x' };
    expect(await refusalOf(await mallory.request(`/channels/${channel}`, bytes))).toEqual([
      400,
      'reserved_member',
    ]);
    const socket = await openSocket({ headers: { Authorization: `Bearer ${await tokenOf('mallory')}` } });
    const frame = { action: 'publish', channel, messages: [{ sender: 'alice' }] };
    expect(await socket.ask(frame)).toMatchObject({ type: 'error', code: 'reserved_member' });
    expect((await mallory.readAll(channel)).messages).toEqual([]);
  });
});

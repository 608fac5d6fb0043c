/**
 * The client in channels with presence, against the hub: who is there, by a socket and without one (PROTOCOL.md §14).
 * @module
 */
import { afterEach, describe, expect, inject, test } from 'vitest';
import type { Hub } from '../../../client/connect.ts';
import { connect, type PresenceMember, type TidingsError } from '../../../client/index.ts';
import type { Transport } from '../../../client/transports/failover.ts';
import { callerWith, EVERYTHING, newChannel, token } from '../../support/wire/wire.ts';

const newPlace = () => newChannel('present');

const clients: Hub[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

async function clientOf(
  sub: string,
  transports?: readonly Transport[],
  capability = EVERYTHING,
): Promise<Hub> {
  const { url, socketUrl } = inject('hub');
  const client = connect({ url, socketUrl, token: await token(capability, 600, sub), transports });
  clients.push(client);
  return client;
}

const said = (members: readonly PresenceMember[]) => members.map(({ principal, data }) => [principal, data]);

describe.each<[string, readonly Transport[]]>([
  ['by a WebSocket', ['websocket']],
  ['by long polls', ['long-poll']],
])('%s', (_name, transports) => {
  test('clients see each other come and go, those that came first at the beginning', async () => {
    const channel = newPlace();
    const changes: unknown[] = [];
    const alice = (await clientOf('alice', transports)).presence(channel, {
      data: { name: 'Alice' },
      onChange: (members) => changes.push(said(members)),
    });
    await expect.poll(() => said(alice.members)).toEqual([['alice', { name: 'Alice' }]]);
    const other = await clientOf('bob', transports);
    const bob = other.presence(channel);
    const both = [
      ['alice', { name: 'Alice' }],
      ['bob', null],
    ];
    await expect.poll(() => said(alice.members)).toEqual(both);
    await expect.poll(() => said(bob.members)).toEqual(both);
    expect(changes).toContainEqual(both);
    // By long polls the hub learns of it when the last one had to end.
    if (transports[0] !== 'websocket') return;
    bob.leave();
    await expect.poll(() => said(alice.members)).toEqual([['alice', { name: 'Alice' }]]);
    expect(said(bob.members)).toEqual(both);
  });
});

test('a client that follows the channel, too, is one member, and says what it says', async () => {
  const channel = newPlace();
  const hub = await clientOf('alice');
  const received: unknown[] = [];
  hub.subscribe(channel, { onMessages: ({ messages }) => received.push(...messages) });
  const presence = hub.presence(channel, { data: 1 });
  await expect.poll(() => said(presence.members)).toEqual([['alice', 1]]);
  await hub.publish(channel, ['hello']);
  await expect.poll(() => received).toEqual(['hello']);
  const caller = await callerWith(EVERYTHING);
  expect(await (await caller.request(`/presence/${channel}`)).json()).toMatchObject({ count: 1 });
});

test('a refusal ends it, by onError', async () => {
  const errors: TidingsError[] = [];
  const onError = (error: TidingsError) => errors.push(error);
  const hub = await clientOf('alice', undefined, { 'present/*': ['subscribe'] });
  hub.presence(newChannel('elsewhere'), { onError });
  hub.presence(newPlace(), { data: 'x'.repeat(2_000), onError });
  await expect.poll(() => errors.map(({ code }) => code).toSorted()).toEqual(['forbidden', 'too_large']);
  expect(() => hub.presence(newPlace(), { data: 1n })).toThrow(TypeError);
});

/**
 * What presence refuses, on each transport (PROTOCOL.md §14, §9).
 * @module
 */
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { openStream } from '../../support/wire/event-stream.ts';
import { socketWith } from '../../support/wire/socket.ts';
import {
  type Caller,
  callerAt,
  callerWith,
  EVERYTHING,
  newChannel,
  refusalOf,
} from '../../support/wire/wire.ts';

let hub: Caller;
beforeAll(async () => {
  hub = await callerWith(EVERYTHING);
});

const newPlace = () => newChannel('present');
const LARGEST = 'x'.repeat(1_022);

describe('data', () => {
  test('may have 1 KB, and is refused with nothing done if it has more', async () => {
    const channel = newPlace();
    const socket = await socketWith(EVERYTHING);
    const over = await socket.ask({ action: 'subscribe', channel, presence: `${LARGEST}x` });
    expect(over).toMatchObject({ type: 'error', code: 'too_large' });
    expect(await (await hub.request(`/presence/${channel}`)).json()).toEqual({ count: 0, members: [] });
    await hub.publish(channel, 'nobody subscribed');
    expect(await socket.ask({ action: 'subscribe', channel, presence: LARGEST })).toMatchObject({
      type: 'subscribed',
      presence: true,
    });
    const poll = `/channels/${channel}?offset=now&live=long-poll&reader=r&presence=`;
    expect(await refusalOf(await hub.request(`${poll}"${LARGEST}x"`))).toEqual([413, 'too_large']);
    const events = `/events?channel=${channel}&reader=r&presence=`;
    expect(await refusalOf(await hub.request(`${events}"${LARGEST}x"`))).toEqual([413, 'too_large']);
  });

  test.each(['{', '', 'undefined', "'a'"])('%j is no JSON', async (text) => {
    const channel = newPlace();
    for (const path of [
      `/channels/${channel}?offset=now&live=long-poll`,
      `/channels/${channel}?offset=now&live=sse`,
      `/events?channel=${channel}`,
    ]) {
      const url = `${path}&reader=r&presence=${encodeURIComponent(text)}`;
      expect(await refusalOf(await hub.request(url)), path).toEqual([400, 'bad_request']);
    }
  });

  test('is for channels that have presence, and for readers that can be recognized', async () => {
    const [plain, place] = [newChannel(), newPlace()];
    const socket = await socketWith(EVERYTHING);
    for (const channel of [plain, 'present/*', '*', 'tidings/presence/present/a'])
      expect(await socket.ask({ action: 'subscribe', channel, presence: 1 }), channel).toMatchObject({
        code: 'bad_request',
      });
    const anyone = await callerWith({ '*': ['subscribe'] });
    for (const path of [
      `/channels/${plain}?offset=now&live=long-poll&reader=r&presence=1`,
      `/channels/${plain}?offset=now&live=sse&reader=r&presence=1`,
      `/events?channel=${plain}&reader=r&presence=1`,
      `/channels/${place}?offset=now&live=long-poll&presence=1`,
      `/channels/${place}?offset=now&live=long-poll&reader=a.b`,
      `/channels/${place}?offset=now&live=long-poll&reader=${'r'.repeat(65)}`,
      `/channels/${place}?offset=now&live=long-poll&reader=r&reader=s`,
      `/channels/${place}?offset=now&reader=r`,
      `/channels/${place}?offset=now&presence=1`,
    ])
      expect(await refusalOf(await anyone.request(path)), path).toEqual([400, 'bad_request']);
    const longName = `present/${'a'.repeat(64)}/${'b'.repeat(64)}/${'c'.repeat(64)}/${'d'.repeat(50)}`;
    expect(await refusalOf(await hub.request(`/presence/${longName}`))).toEqual([400, 'bad_request']);
  });
});

test('nobody but the hub publishes on a presence channel, creates one or deletes one', async () => {
  const presence = `tidings/presence/${newPlace()}`;
  const json = { 'Content-Type': 'application/json' };
  const message = '{"type":"presence","key":"a","headers":{"operation":"insert"}}';
  for (const method of ['POST', 'PUT', 'DELETE']) {
    const body = method === 'DELETE' ? {} : { body: message };
    const response = await hub.request(`/channels/${presence}`, { method, headers: json, ...body });
    expect(await refusalOf(response), method).toEqual([403, 'forbidden']);
  }
  const socket = await socketWith(EVERYTHING);
  expect(await socket.ask({ action: 'publish', channel: presence, messages: [1] })).toMatchObject({
    code: 'forbidden',
  });
});

test('GET /presence is for who may read the channel, and for channels that have presence', async () => {
  const channel = newPlace();
  const path = `/presence/${channel}`;
  expect((await (await callerWith({ [channel]: ['subscribe'] })).request(path)).status).toBe(200);
  const other = await callerWith({ [channel]: ['publish'], 'present/b': ['subscribe'] });
  expect(await refusalOf(await other.request(path))).toEqual([403, 'forbidden']);
  expect(await refusalOf(await callerAt(inject('hub').url).request(path))).toEqual([401, 'unauthorized']);
  expect(await refusalOf(await hub.request(`/presence/${newChannel()}`))).toEqual([400, 'bad_request']);
  expect(await refusalOf(await hub.request('/presence/tidings/webhooks'))).toEqual([400, 'bad_request']);
  expect(await refusalOf(await hub.request('/presence/a%20b'))).toEqual([400, 'bad_channel']);
  for (const query of ['limit=0', 'limit=1001', 'limit=a', 'offset=1'])
    expect(await refusalOf(await hub.request(`${path}?${query}`)), query).toEqual([400, 'bad_request']);
  expect(await refusalOf(await hub.request(path, { method: 'POST' }))).toEqual([405, 'method_not_allowed']);
  expect((await hub.request(path, { method: 'OPTIONS' })).status).toBe(204);
});

test('a stream that is refused enters no channel', async () => {
  const channel = newPlace();
  const anyone = await callerWith({ 'present/*': ['subscribe'] });
  const refused = await anyone.request(`/channels/${channel}?offset=wrong&live=sse&reader=r`);
  expect(refused.status).toBe(400);
  expect(await (await hub.request(`/presence/${channel}`)).json()).toEqual({ count: 0, members: [] });
  await openStream(anyone, `/channels/${channel}?offset=now&live=sse&reader=r`);
  expect(await (await hub.request(`/presence/${channel}`)).json()).toMatchObject({ count: 1 });
});

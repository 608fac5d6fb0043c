/**
 * PROTOCOL.md §4.7 over the wire: requests that are refused, and the largest that is not.
 * @module
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { EPHEMERAL, isEphemeral, post, send, sendUntil } from '../../support/wire/ephemeral.ts';
import { subscribe } from '../../support/wire/follow.ts';
import { type Heard, type Socket, socketWith } from '../../support/wire/socket.ts';
import {
  type Caller,
  callerWith,
  EVERYTHING,
  newChannel,
  refusalOf,
  throughBusy,
} from '../../support/wire/wire.ts';

let hub: Caller;
beforeAll(async () => {
  hub = await callerWith(EVERYTHING);
});

describe('over HTTP', () => {
  const large = JSON.stringify('x'.repeat(32_001));

  test.each<[string, string, Record<string, string>, [number, string]]>([
    ['a key', '1', { 'Idempotency-Key': 'k' }, [400, 'bad_request']],
    ['a Stream-Seq', '1', { 'Stream-Seq': '1' }, [400, 'bad_request']],
    [
      'a producer',
      '1',
      { 'Producer-Id': 'p', 'Producer-Epoch': '0', 'Producer-Seq': '0' },
      [400, 'bad_request'],
    ],
    ['half a producer', '1', { 'Producer-Id': 'p' }, [400, 'bad_request']],
    ['an end', '1', { 'Stream-Closed': 'true' }, [400, 'bad_request']],
    ['another value', '1', { 'Tidings-Ephemeral': 'false' }, [400, 'bad_request']],
    ['a number as the value', '1', { 'Tidings-Ephemeral': '1' }, [400, 'bad_request']],
    ['text', 'x', { 'Content-Type': 'text/plain' }, [400, 'bad_content_type']],
    ['bytes', 'x', { 'Content-Type': 'application/octet-stream' }, [400, 'bad_content_type']],
    ['no JSON', '{', {}, [400, 'bad_json']],
    ['nothing', '', {}, [400, 'empty_body']],
    ['an empty list', '[]', {}, [400, 'empty_body']],
    ['more than 32,000 bytes', large, {}, [413, 'too_large']],
    ['more than 1,000 messages', `[${Array(1_001).fill(1).join()}]`, {}, [413, 'too_large']],
    ['compression', '1', { 'Content-Encoding': 'gzip' }, [501, 'not_supported']],
  ])('%s is refused, and nothing is done', async (_name, body, headers, refusal) => {
    const channel = newChannel('game');
    const socket = await socketWith(EVERYTHING);
    await subscribe(socket, channel);
    expect(await refusalOf(await post(hub, channel, body, headers))).toEqual(refusal);
    const arrived = await sendUntil(socket.next(isEphemeral(channel)), () => send(hub, channel, 'sent'));
    expect(new Set(arrived.messages)).toEqual(new Set(['sent']));
    expect((await hub.readAll(channel)).messages).toEqual([]);
  });

  test('PUT with the header is refused, because it would store its messages', async () => {
    const channel = newChannel('game');
    const init = { method: 'PUT', headers: EPHEMERAL, body: '1' };
    expect(await refusalOf(await hub.request(`/channels/${channel}`, init))).toEqual([400, 'bad_request']);
    expect((await hub.readAll(channel)).messages).toEqual([]);
  });

  test('other values of Stream-Closed count as absent, and the value may be in any case', async () => {
    const channel = newChannel('game');
    const headers = { 'Tidings-Ephemeral': ' TRUE', 'Stream-Closed': 'false' };
    expect((await post(hub, channel, '1', headers)).status).toBe(202);
  });

  test('the path of Durable Streams takes them too', async () => {
    const init = { method: 'POST', headers: EPHEMERAL, body: '1' };
    const response = await throughBusy(() => hub.request(`/v1/stream/${newChannel('game')}`, init));
    expect(response.status).toBe(202);
  });

  test.each([
    ['of bytes', 'application/octet-stream', false, [400, 'bad_content_type']],
    ['of text', 'text/plain', false, [400, 'bad_content_type']],
    ['that is closed', 'application/json', true, [409, 'channel_closed']],
  ] as const)('a channel %s refuses them', async (_name, type, isClosed, refusal) => {
    const channel = newChannel('game');
    const headers = { 'Content-Type': type, ...(isClosed ? { 'Stream-Closed': 'true' } : {}) };
    const created = await throughBusy(() => hub.request(`/channels/${channel}`, { method: 'PUT', headers }));
    expect(created.status).toBe(201);
    expect(await refusalOf(await post(hub, channel, '1'))).toEqual(refusal);
    const socket = await socketWith(EVERYTHING);
    const frame = { action: 'publish', channel, messages: [1], ephemeral: true };
    expect(await socket.ask(frame)).toMatchObject({ type: 'error', code: refusal[1] });
  });

  test('only a token that may publish sends them, and only one that may subscribe gets them', async () => {
    const channel = newChannel('game');
    const reader = await callerWith({ [channel]: ['subscribe'] });
    expect(await refusalOf(await post(reader, channel, '1'))).toEqual([403, 'forbidden']);
    expect(await refusalOf(await post(await callerWith(undefined), channel, '1'))).toEqual([
      401,
      'unauthorized',
    ]);
    expect(await refusalOf(await post(hub, 'tidings/webhooks', '1'))).toEqual([403, 'forbidden']);
    const publisher = await socketWith({ [channel]: ['publish'] });
    expect(await publisher.ask({ action: 'subscribe', channel })).toMatchObject({ code: 'forbidden' });
    const socket = await socketWith({ [channel]: ['subscribe'] });
    const frame = { action: 'publish', channel, messages: [1], ephemeral: true };
    expect(await socket.ask(frame)).toMatchObject({ code: 'forbidden' });
  });
});

describe('on a socket', () => {
  const ask = (socket: Socket, channel: string, more: object): Promise<Heard> => {
    const id = `bad-${JSON.stringify(more).slice(0, 30)}`;
    socket.sayAnything(
      JSON.stringify({ action: 'publish', channel, messages: [1], ephemeral: true, id, ...more }),
    );
    return socket.next((frame) => frame.id === id);
  };

  test.each<[string, object, string]>([
    ['a key', { key: 'k' }, 'bad_request'],
    ['a producer', { producer: { id: 'p', epoch: 0, seq: 0 } }, 'bad_request'],
    ['another value', { ephemeral: 'true' }, 'bad_request'],
    ['false', { ephemeral: false }, 'bad_request'],
    ['nothing', { messages: [] }, 'empty_body'],
    ['no list', { messages: 1 }, 'bad_request'],
    ['more than 32,000 bytes', { messages: ['x'.repeat(32_001)] }, 'too_large'],
  ])('%s is refused, and nothing is done', async (_name, more, code) => {
    const channel = newChannel('game');
    const socket = await socketWith(EVERYTHING);
    await subscribe(socket, channel);
    expect(await ask(socket, channel, more)).toMatchObject({ type: 'error', code });
    const arrived = await sendUntil(socket.next(isEphemeral(channel)), () => send(hub, channel, 'sent'));
    expect(new Set(arrived.messages)).toEqual(new Set(['sent']));
    expect((await hub.readAll(channel)).messages).toEqual([]);
  });

  test('the largest message fits into a frame, both ways', async () => {
    const channel = newChannel('game');
    const socket = await socketWith(EVERYTHING);
    await subscribe(socket, channel);
    const messages = ['x'.repeat(31_998)];
    const frame = { action: 'publish', channel, messages, ephemeral: true };
    const arrived = await sendUntil(socket.next(isEphemeral(channel)), () => socket.ask(frame));
    expect(arrived.messages).toEqual(messages);
  });
});

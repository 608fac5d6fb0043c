/**
 * PROTOCOL.md §12.2 over the wire: which frames a socket refuses, with which code. The connection stays open, and nothing is
 * written.
 * @module
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { subscribe } from '../../support/wire/follow.ts';
import { type Socket, socketWith } from '../../support/wire/socket.ts';
import { callerWith, EVERYTHING, newChannel } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);
const channel = newChannel();
beforeAll(async () => {
  await hub.publish(channel, 'first');
});

/** The connection is open, and still answers. */
async function expectOpen(socket: Socket): Promise<void> {
  expect((await socket.ask({ action: 'ping' })).type).toBe('pong');
  expect(socket.unread()).toEqual([]);
  expect((await hub.readAll(channel)).messages).toEqual(['first']);
}

describe('a malformed frame', () => {
  test.each([
    ['half a frame', '{"action":"ping"', 'bad_json'],
    ['a word', 'ping', 'bad_json'],
    ['white space', '  ', 'bad_json'],
    ['an extra comma', '{"action":"ping",}', 'bad_json'],
    ['two frames', '{"action":"ping"}{"action":"ping"}', 'bad_json'],
    ['a list', '[{"action":"ping"}]', 'bad_request'],
    ['text', '"ping"', 'bad_request'],
    ['a number', '1', 'bad_request'],
    ['null', 'null', 'bad_request'],
    ['nothing', '{}', 'unknown_action'],
    ['an action in upper case', '{"action":"Ping"}', 'unknown_action'],
    ['an action that is not text', '{"action":["ping"]}', 'unknown_action'],
    ['the gateway’s own route', '{"action":"$connect"}', 'unknown_action'],
    ['a member that every object has', '{"action":"constructor"}', 'unknown_action'],
    ['an action from the prototype', '{"__proto__":{"action":"ping"}}', 'unknown_action'],
  ])('%s', async (_name, text, code) => {
    const socket = await socketWith(EVERYTHING);
    socket.sayAnything(text);
    const answer = await socket.next();
    expect([answer.type, answer.code, answer.id]).toEqual(['error', code, undefined]);
    await expectOpen(socket);
  });

  test.each([
    ['empty', ''],
    ['65 characters', 'i'.repeat(65)],
    ['a number', 1],
    ['null', null],
    ['a list', ['1']],
  ])('an id that is %s', async (_name, id) => {
    const socket = await socketWith(EVERYTHING);
    socket.sayAnything(JSON.stringify({ action: 'publish', channel, messages: [1], id }));
    const answer = await socket.next();
    expect([answer.code, answer.id]).toEqual(['bad_request', undefined]);
    await expectOpen(socket);
  });

  test('an id of 64 characters is accepted', async () => {
    const socket = await socketWith(EVERYTHING);
    const id = '"\\é☃'.repeat(16);
    socket.say({ action: 'ping', id });
    expect(await socket.next()).toMatchObject({ type: 'pong', id });
  });
});

describe('a frame with a bad request', () => {
  const producer = (members: object) => ({
    action: 'publish',
    messages: [1],
    producer: { id: 'p', epoch: 0, seq: 0, ...members },
  });
  const keyed = (key: unknown) => ({ action: 'publish', messages: [1], key });
  const subscribing = (members: object) => ({ action: 'subscribe', ...members });
  const MALFORMED: readonly (readonly [string, object, string])[] = [
    ['subscribe: no channel', subscribing({ channel: undefined }), 'bad_channel'],
    ['subscribe: a channel that is not text', subscribing({ channel: ['a'] }), 'bad_channel'],
    ['subscribe: an empty channel', subscribing({ channel: '' }), 'bad_channel'],
    ['subscribe: a * within a segment', subscribing({ channel: 'a*' }), 'bad_channel'],
    ['subscribe: a * that is not the last segment', subscribing({ channel: '*/a' }), 'bad_channel'],
    ['subscribe: nothing before the /*', subscribing({ channel: '/*' }), 'bad_channel'],
    ['subscribe: a ninth segment', subscribing({ channel: 'a/b/c/d/e/f/g/h/i' }), 'bad_channel'],
    ['subscribe: a segment that is not allowed', subscribing({ channel: 'a/../b' }), 'bad_channel'],
    ['subscribe: a row of the hub’s own', subscribing({ channel: 'a#0' }), 'bad_channel'],
    ['subscribe: an offset of 12 digits', subscribing({ offset: '000000000001' }), 'bad_offset'],
    ['subscribe: an offset that is a number', subscribing({ offset: -1 }), 'bad_offset'],
    ['subscribe: an offset that is null', subscribing({ offset: null }), 'bad_offset'],
    ['subscribe: an offset before the beginning', subscribing({ offset: '-2' }), 'bad_offset'],
    ['subscribe: the last 0 messages', subscribing({ last: 0 }), 'bad_request'],
    ['subscribe: a number of messages that is text', subscribing({ last: '5' }), 'bad_request'],
    ['subscribe: the last 1,001 messages', subscribing({ last: 1_001 }), 'bad_request'],
    ['subscribe: last with an offset', subscribing({ last: 5, offset: '-1' }), 'bad_request'],
    ['subscribe: since with last', subscribing({ last: 5, since: '2026-01-01T00:00:00Z' }), 'bad_request'],
    ['subscribe: a time that is none', subscribing({ since: 'yesterday' }), 'bad_request'],
    ['subscribe: a time that is a number', subscribing({ since: 5 }), 'bad_request'],
    ['subscribe: a pattern from its last messages', subscribing({ channel: 'a/*', last: 5 }), 'bad_offset'],
    ['subscribe: an offset past the end', subscribing({ offset: '0000000099990000' }), 'offset_gone'],
    ['subscribe: a pattern from -1', subscribing({ channel: 'a/*', offset: '-1' }), 'bad_offset'],
    [
      'subscribe: everything from an offset',
      subscribing({ channel: '*', offset: '0'.repeat(16) }),
      'bad_offset',
    ],
    ['unsubscribe: no channel', { action: 'unsubscribe', channel: undefined }, 'bad_channel'],
    ['unsubscribe: a bad name', { action: 'unsubscribe', channel: 'a//b' }, 'bad_channel'],
    ['publish: no channel', { action: 'publish', messages: [1], channel: undefined }, 'bad_channel'],
    ['publish: a pattern', { action: 'publish', messages: [1], channel: 'a/*' }, 'bad_channel'],
    ['publish: everywhere', { action: 'publish', messages: [1], channel: '*' }, 'bad_channel'],
    ['publish: no messages', { action: 'publish' }, 'bad_request'],
    ['publish: one message without its list', { action: 'publish', messages: { n: 1 } }, 'bad_request'],
    ['publish: an empty list', { action: 'publish', messages: [] }, 'empty_body'],
    ['publish: 1,001 messages', { action: 'publish', messages: Array(1_001).fill(0) }, 'too_large'],
    ['key: empty', keyed(''), 'bad_request'],
    ['key: 256 characters', keyed('k'.repeat(256)), 'bad_request'],
    ['key: not ASCII', keyed('é'), 'bad_request'],
    ['key: a number', keyed(1), 'bad_request'],
    ['key: null', keyed(null), 'bad_request'],
    ['key and producer', { ...producer({}), key: 'k' }, 'bad_request'],
    ['producer: null', { ...producer({}), producer: null }, 'bad_request'],
    ['producer: no id', producer({ id: undefined }), 'bad_request'],
    ['producer: an id of 101 characters', producer({ id: 'p'.repeat(101) }), 'bad_request'],
    ['producer: an epoch in text', producer({ epoch: '0' }), 'bad_request'],
    ['producer: a negative epoch', producer({ epoch: -1 }), 'bad_request'],
    ['producer: half a number', producer({ seq: 0.5 }), 'bad_request'],
    ['producer: a number beyond 2^53', producer({ seq: 2 ** 53 }), 'bad_request'],
    ['producer: no number', producer({ seq: undefined }), 'bad_request'],
    ['producer: a gap', producer({ id: newProducer(), seq: 7 }), 'producer_gap'],
  ];

  test.each(MALFORMED)('%s', async (_name, frame, code) => {
    const socket = await socketWith(EVERYTHING);
    socket.sayAnything(JSON.stringify({ channel, id: 'mine', ...frame }));
    expect(await socket.next()).toMatchObject({ type: 'error', code, id: 'mine' });
    await expectOpen(socket);
  });

  test('a name as long as a message: the refusal stays short', async () => {
    const socket = await socketWith(EVERYTHING);
    socket.sayAnything(JSON.stringify({ action: 'subscribe', channel: 'x'.repeat(131_000), id: 'mine' }));
    expect(await socket.next()).toMatchObject({ type: 'error', code: 'bad_channel', id: 'mine' });
    await expectOpen(socket);
  });

  test('a channel of another type, or a closed channel', async () => {
    const [text, closed] = [newChannel(), newChannel()];
    const request = { method: 'POST', body: '1' };
    await hub.request(`/channels/${text}`, { ...request, headers: { 'Content-Type': 'text/plain' } });
    const headers = { 'Content-Type': 'application/json', 'Stream-Closed': 'true' };
    await hub.request(`/channels/${closed}`, { ...request, headers });
    const socket = await socketWith(EVERYTHING);
    const publish = (name: string) => socket.ask({ action: 'publish', channel: name, messages: [2] });
    expect(await publish(text)).toMatchObject({ code: 'content_type_mismatch', channel: text });
    expect(await publish(closed)).toMatchObject({ code: 'channel_closed', channel: closed });
    expect(await (await hub.read(text)).text()).toBe('1');
    expect((await hub.readAll(closed)).messages).toEqual([1]);
  });

  test('an offset of a deleted channel of the same name', async () => {
    const name = newChannel();
    await hub.publish(name, 1, 2);
    const { next } = await hub.readAll(name);
    await hub.request(`/channels/${name}`, { method: 'DELETE' });
    await hub.publish(name, 3);
    const socket = await socketWith(EVERYTHING);
    const answer = await socket.ask({ action: 'subscribe', channel: name, offset: next });
    expect(answer).toMatchObject({ type: 'error', code: 'offset_gone', channel: name });
    expect(socket.unread()).toEqual([]);
  });
});

describe('a caller without the grant', () => {
  const ASKED = [
    { action: 'subscribe' },
    { action: 'subscribe', offset: '0000000099990000' },
    { action: 'publish', messages: [1] },
    { action: 'publish', messages: [1], key: 'k' },
  ];

  test('is refused whether the channel exists or not', async () => {
    const socket = await socketWith({
      'elsewhere/*': ['publish', 'subscribe'],
      [`${channel}x`]: ['publish'],
    });
    for (const frame of ASKED) {
      for (const name of [channel, newChannel()]) {
        expect(await socket.ask({ ...frame, channel: name })).toMatchObject({
          code: 'forbidden',
          channel: name,
        });
      }
    }
    await expectOpen(socket);
  });

  test('needs a grant for each operation', async () => {
    const own = newChannel();
    const publisher = await socketWith({ [own]: ['publish'] });
    expect(await publisher.ask({ action: 'subscribe', channel: own })).toMatchObject({ code: 'forbidden' });
    expect((await publisher.ask({ action: 'publish', channel: own, messages: [1] })).type).toBe('published');
    const subscriber = await socketWith({ [own]: ['subscribe', 'manage'] });
    await subscribe(subscriber, own);
    const refused = await subscriber.ask({ action: 'publish', channel: own, messages: [2] });
    expect(refused).toMatchObject({ code: 'forbidden', channel: own });
    expect((await hub.readAll(own)).messages).toEqual([1]);
  });

  test('needs a grant for everything that a pattern matches', async () => {
    const prefix = newChannel();
    const socket = await socketWith({ [`${prefix}/*`]: ['subscribe'], [prefix]: ['subscribe'] });
    const refused = ['*', `${prefix.slice(0, prefix.lastIndexOf('/'))}/*`, `${prefix}x/*`];
    for (const pattern of refused) {
      const answer = await socket.ask({ action: 'subscribe', channel: pattern });
      expect(answer).toMatchObject({ code: 'forbidden', channel: pattern });
    }
    for (const pattern of [`${prefix}/*`, `${prefix}/below/*`, prefix]) await subscribe(socket, pattern);
  });

  test('without a token: may do what everyone may, and no more', async () => {
    const open = newChannel('public');
    const socket = await socketWith(undefined);
    await subscribe(socket, open);
    await subscribe(socket, 'public/*');
    for (const frame of ASKED) {
      const answer = await socket.ask({ ...frame, channel });
      expect(answer).toMatchObject({ code: 'unauthorized', channel });
    }
    const publishing = await socket.ask({ action: 'publish', channel: open, messages: [1] });
    expect(publishing).toMatchObject({ code: 'unauthorized', channel: open });
    expect((await hub.readAll(open)).messages).toEqual([]);
  });
});

describe('API Gateway ends the connection for', () => {
  const frame = (bytes: number) =>
    JSON.stringify({ action: 'publish', channel, messages: ['x'.repeat(bytes)] });

  test.each([
    ['a binary frame', Buffer.from('{"action":"ping"}'), false, 1003],
    ['a frame of 33 KB', frame(33 * 1024), true, 1009],
    ['a message of more than 128 KB', frame(128 * 1024), false, 1009],
  ])('%s', async (_name, content, isWhole, code) => {
    const socket = await socketWith(EVERYTHING);
    socket.sayAnything(content, { isWhole });
    expect(await socket.ended).toBe(code);
    await expectOpen(await socketWith(EVERYTHING));
  });
});

function newProducer(): string {
  return newChannel('producer').replace('/', '-');
}

/**
 * PROTOCOL.md §12.4 over the wire: when a subscription begins, and when it ends.
 * @module
 */
import { expect, test } from 'vitest';
import { contentOf, follow, isOf, subscribe } from '../../support/wire/follow.ts';
import { type Heard, socketWith } from '../../support/wire/socket.ts';
import { callerWith, EVERYTHING, newChannel } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);

const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const framesIn = (frames: readonly Heard[]) => frames.filter(({ type }) => type === 'messages');

test('a subscription that is made twice is one, and does not change', async () => {
  const channel = newChannel();
  await hub.publish(channel, 'old');
  const socket = await socketWith(EVERYTHING);
  const from = await subscribe(socket, channel);
  await subscribe(socket, channel, '-1');
  await hub.publish(channel, 1);
  const first = await follow(socket, { channel, from }, 1);
  await subscribe(socket, channel);
  await hub.publish(channel, 2);
  const second = await follow(socket, { channel, from: first.next }, 1);
  expect([first.messages, second.messages]).toEqual([[1], [2]]);
  expect(framesIn(socket.unread())).toEqual([]);
});

test('a subscription ends on request, and may be made again', async () => {
  const channel = newChannel();
  const [socket, witness] = [await socketWith(EVERYTHING), await socketWith(EVERYTHING)];
  const seen = { channel, from: await subscribe(witness, channel) };
  await subscribe(socket, channel);
  for (const _again of range(2)) {
    expect(await socket.ask({ action: 'unsubscribe', channel })).toMatchObject({
      type: 'unsubscribed',
      channel,
    });
  }
  await hub.publish(channel, 1);
  const { next } = await follow(witness, seen, 1);
  const from = await subscribe(socket, channel);
  await hub.publish(channel, 2);
  // The process that posts the second time has long ended the first pass.
  await follow(witness, { channel, from: next }, 1);
  expect((await follow(socket, { channel, from }, 1)).messages).toEqual([2]);
  expect(framesIn(socket.unread())).toEqual([]);
});

test('a subscription lasts as long as its connection, which lasts as long as its token', async () => {
  const channel = newChannel();
  const pattern = `${channel.slice(0, channel.lastIndexOf('/'))}/*`;
  const witness = await socketWith(EVERYTHING);
  const seen = { channel, from: await subscribe(witness, channel) };
  // The hub allows for 30 s of clock difference (§7) and uses the last five of them to end things: this token has nine to ten left.
  const socket = await socketWith(EVERYTHING, {}, -15);
  const course = { channel, from: await subscribe(socket, channel) };
  await subscribe(socket, pattern);
  let isOver = false;
  void socket.ended.then(() => {
    isOver = true;
  });
  let count = 0;
  for (; !isOver; count++) await hub.publish(channel, count);
  const { code, id, channel: about } = await socket.next(({ type }) => type === 'error');
  expect([code, id, about]).toEqual(['unauthorized', undefined, undefined]);
  expect((await follow(witness, seen, count)).messages).toEqual(range(count));
  const got = framesIn(socket.unread()).filter(isOf(course)).flatMap(contentOf);
  expect(got).toEqual(range(got.length));
  expect(got.length).toBeLessThanOrEqual(count);
  expect((await hub.readAll(channel)).messages).toHaveLength(count);
});

test('a connection has at most a hundred subscriptions, and one that ends makes room', async () => {
  const socket = await socketWith(EVERYTHING);
  const prefix = newChannel();
  // On a busy machine the local stack has no room for a hundred frames at once, as Lambda at its quota.
  for (const first of [0, 20, 40, 60, 80])
    await Promise.all(range(20).map((n) => subscribe(socket, `${prefix}-${first + n}`)));
  const more = `${prefix}-more`;
  // A busy store refuses a request; a subscription that was accepted by mistake would stay accepted.
  const asked = (action: string, channel: string) => () => socket.ask({ action, channel });
  await expect
    .poll(asked('subscribe', more))
    .toMatchObject({ type: 'error', code: 'too_many_subscriptions', channel: more });
  await subscribe(socket, `${prefix}-99`);
  await expect.poll(asked('unsubscribe', `${prefix}-0`)).toMatchObject({ type: 'unsubscribed' });
  const from = await subscribe(socket, more);
  await hub.publish(more, 'heard');
  expect((await follow(socket, { channel: more, from }, 1)).messages).toEqual(['heard']);
});

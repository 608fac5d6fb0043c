/**
 * Hints that the topic was too busy for are published later, one for all publishes of that time (docs/adr/0012).
 * @module
 */
import { expect, test } from 'vitest';
import { append } from '../../../../lambda/hub/log/append.ts';
import { create, remove } from '../../../../lambda/hub/log/lifecycle.ts';
import { type Relay, relayHandler } from '../../../../lambda/hub/push/relay.ts';
import { Refusal } from '../../../../protocol/errors.ts';
import { formatOffset } from '../../../../protocol/offset.ts';
import { CHANNEL, losePublish, publish, requestOf } from '../../../support/domain/json-log.ts';
import { memoryLog } from '../../../support/domain/memory-log.ts';

function world() {
  const log = memoryLog();
  const published: { readonly channel: string; readonly offset: string; readonly isClosing: boolean }[] = [];
  const sent: { readonly relay: Relay; readonly delayMs: number }[] = [];
  const state = { isBusy: false };
  const relay = relayHandler({
    log,
    random: () => 0,
    async topic(hint) {
      if (state.isBusy) throw new Refusal('unavailable', 'busy');
      published.push(hint);
    },
    queue: { send: async (relay, delayMs) => void sent.push({ relay, delayMs }) },
  });
  const relayOf = async (...messages: unknown[]): Promise<Relay> => ({
    channel: CHANNEL,
    offset: await publish(log, ...messages),
    tries: 0,
  });
  return { log, published, sent, state, relay, relayOf };
}

test('a relay publishes all that is stored when it arrives, and earlier relays have nothing left to do', async () => {
  const { relay, relayOf, published } = world();
  const relays = [await relayOf(1), await relayOf(2), await relayOf(3)];
  for (const one of relays) await relay(one);
  expect(published).toEqual([
    { channel: CHANNEL, offset: formatOffset(relays[2]?.offset ?? fail()), isClosing: false },
  ]);
  const later = await relayOf(4);
  await relay(later);
  expect(published.map(({ offset }) => offset).at(-1)).toBe(formatOffset(later.offset));
  expect(published).toHaveLength(2);
});

const fail = (): never => {
  throw new Error('there are three');
};

test('a relay publishes the end of what is stored, and not a slot that is only reserved', async () => {
  const { log, relay, relayOf, published } = world();
  const one = await relayOf(1);
  await losePublish(log);
  await relay(one);
  expect(published.map(({ offset }) => offset)).toEqual([formatOffset(one.offset)]);
});

test('a topic that stays busy is called again, with a longer delay each time, up to a minute', async () => {
  const { relay, relayOf, published, sent, state, log } = world();
  state.isBusy = true;
  let next = await relayOf(1);
  for (let tries = 1; tries <= 8; tries++) {
    await relay(next);
    const last = sent.at(-1);
    expect(last?.relay.tries).toBe(tries);
    next = last?.relay ?? fail();
    log.now += last?.delayMs ?? 0;
  }
  expect(sent.map(({ delayMs }) => delayMs)).toEqual([1, 2, 4, 8, 16, 30, 30, 30].map((s) => s * 1_000));
  state.isBusy = false;
  await relay(next);
  expect(published).toHaveLength(1);
});

test('while one relay of a channel is under way, no other is sent', async () => {
  const { relay, relayOf, published, sent, state, log } = world();
  state.isBusy = true;
  const [one, two] = [await relayOf(1), await relayOf(2)];
  await relay(one);
  await relay(two);
  expect(sent).toHaveLength(1);
  // The relay under way covers both.
  state.isBusy = false;
  log.now += sent[0]?.delayMs ?? 0;
  await relay(sent[0]?.relay ?? fail());
  expect(published).toMatchObject([{ offset: formatOffset(two.offset) }]);
});

test('a relay whose own offset was published already publishes what came after it: other publishers rely on that', async () => {
  const { relay, relayOf, published } = world();
  const one = await relayOf(1);
  await relay(one);
  const two = await relayOf(2);
  await relay(one);
  expect(published.map(({ offset }) => offset)).toEqual([one, two].map(({ offset }) => formatOffset(offset)));
});

test('closing a channel is published, although its offset was already', async () => {
  const { log, relay, relayOf, published } = world();
  const one = await relayOf(1);
  await relay(one);
  await append(log, requestOf([], { close: true }));
  await relay(one);
  expect(published.map(({ isClosing }) => isClosing)).toEqual([false, true]);
});

test('nothing is published for a deleted channel, and everything for a new one with its name', async () => {
  const { log, relay, relayOf, published } = world();
  const one = await relayOf(1);
  await remove(log, CHANNEL);
  await relay(one);
  expect(published).toEqual([]);
  log.now += 60_000;
  const [ttlSeconds, expiresAt] = [undefined, undefined];
  const body = Buffer.from('[1]');
  await create(log, {
    channel: CHANNEL,
    contentType: 'application/json',
    ttlSeconds,
    expiresAt,
    close: false,
    body,
  });
  await relay(await relayOf(2));
  expect(published).toHaveLength(1);
});

test('a defect is thrown, and not retried silently', async () => {
  const { log, relayOf } = world();
  const one = await relayOf(1);
  const relay = relayHandler({
    log,
    random: () => 0,
    topic: () => Promise.reject(new Error('AccessDenied')),
    queue: { send: () => Promise.reject(new Error('not asked')) },
  });
  await expect(relay(one)).rejects.toThrow('AccessDenied');
});

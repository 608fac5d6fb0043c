/**
 * Hints that the topic was too busy for are published later, one for all publishes of that time (docs/adr/0012).
 * @module
 */
import { expect, test } from 'vitest';
import { append } from '../../../../lambda/hub/log/append.ts';
import { create, remove } from '../../../../lambda/hub/log/lifecycle.ts';
import { type DelayedHint, delayedHintHandler } from '../../../../lambda/hub/push/delayed-hint.ts';
import { Refusal } from '../../../../protocol/errors.ts';
import { formatOffset } from '../../../../protocol/offset.ts';
import { CHANNEL, losePublish, publish, requestOf } from '../../../support/domain/json-log.ts';
import { memoryLog } from '../../../support/domain/memory-log.ts';

function world() {
  const log = memoryLog();
  const published: { readonly channel: string; readonly offset: string; readonly isClosing: boolean }[] = [];
  const sent: { readonly hint: DelayedHint; readonly delayMs: number }[] = [];
  const state = { isBusy: false };
  const handle = delayedHintHandler({
    log,
    random: () => 0,
    async topic(hint) {
      if (state.isBusy) throw new Refusal('unavailable', 'busy');
      published.push(hint);
    },
    queue: { send: async (hint, delayMs) => void sent.push({ hint, delayMs }) },
  });
  const delayedHintOf = async (...messages: unknown[]): Promise<DelayedHint> => ({
    channel: CHANNEL,
    offset: await publish(log, ...messages),
    tries: 0,
  });
  return { log, published, sent, state, handle, delayedHintOf };
}

test('a delayed hint publishes all that is stored when it arrives, and earlier ones have nothing left to do', async () => {
  const { handle, delayedHintOf, published } = world();
  const hints = [await delayedHintOf(1), await delayedHintOf(2), await delayedHintOf(3)];
  for (const one of hints) await handle(one);
  expect(published).toEqual([
    { channel: CHANNEL, offset: formatOffset(hints[2]?.offset ?? fail()), isClosing: false },
  ]);
  const later = await delayedHintOf(4);
  await handle(later);
  expect(published.map(({ offset }) => offset).at(-1)).toBe(formatOffset(later.offset));
  expect(published).toHaveLength(2);
});

const fail = (): never => {
  throw new Error('there are three');
};

test('a delayed hint publishes the end of what is stored, and not a slot that is only reserved', async () => {
  const { log, handle, delayedHintOf, published } = world();
  const one = await delayedHintOf(1);
  await losePublish(log);
  await handle(one);
  expect(published.map(({ offset }) => offset)).toEqual([formatOffset(one.offset)]);
});

test('a topic that stays busy is called again, with a longer delay each time, up to a minute', async () => {
  const { handle, delayedHintOf, published, sent, state, log } = world();
  state.isBusy = true;
  let next = await delayedHintOf(1);
  for (let tries = 1; tries <= 8; tries++) {
    await handle(next);
    const last = sent.at(-1);
    expect(last?.hint.tries).toBe(tries);
    next = last?.hint ?? fail();
    log.now += last?.delayMs ?? 0;
  }
  expect(sent.map(({ delayMs }) => delayMs)).toEqual([1, 2, 4, 8, 16, 30, 30, 30].map((s) => s * 1_000));
  state.isBusy = false;
  await handle(next);
  expect(published).toHaveLength(1);
});

test('while one delayed hint of a channel is under way, no other is sent', async () => {
  const { handle, delayedHintOf, published, sent, state, log } = world();
  state.isBusy = true;
  const [one, two] = [await delayedHintOf(1), await delayedHintOf(2)];
  await handle(one);
  await handle(two);
  expect(sent).toHaveLength(1);
  // The one under way covers both.
  state.isBusy = false;
  log.now += sent[0]?.delayMs ?? 0;
  await handle(sent[0]?.hint ?? fail());
  expect(published).toMatchObject([{ offset: formatOffset(two.offset) }]);
});

test('a delayed hint whose own offset was published already publishes what came after it: other publishers rely on that', async () => {
  const { handle, delayedHintOf, published } = world();
  const one = await delayedHintOf(1);
  await handle(one);
  const two = await delayedHintOf(2);
  await handle(one);
  expect(published.map(({ offset }) => offset)).toEqual([one, two].map(({ offset }) => formatOffset(offset)));
});

test('closing a channel is published, although its offset was already', async () => {
  const { log, handle, delayedHintOf, published } = world();
  const one = await delayedHintOf(1);
  await handle(one);
  await append(log, requestOf([], { close: true }));
  await handle(one);
  expect(published.map(({ isClosing }) => isClosing)).toEqual([false, true]);
});

test('nothing is published for a deleted channel, and everything for a new one with its name', async () => {
  const { log, handle, delayedHintOf, published } = world();
  const one = await delayedHintOf(1);
  await remove(log, CHANNEL);
  await handle(one);
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
  await handle(await delayedHintOf(2));
  expect(published).toHaveLength(1);
});

test('a defect is thrown, and not retried silently', async () => {
  const { log, delayedHintOf } = world();
  const one = await delayedHintOf(1);
  const handle = delayedHintHandler({
    log,
    random: () => 0,
    topic: () => Promise.reject(new Error('AccessDenied')),
    queue: { send: () => Promise.reject(new Error('not asked')) },
  });
  await expect(handle(one)).rejects.toThrow('AccessDenied');
});

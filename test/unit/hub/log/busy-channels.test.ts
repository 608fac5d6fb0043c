/**
 * A process refuses claims of a busy channel at once for as long as callers are asked to wait (PROTOCOL.md §8).
 * @module
 */
import { expect, test } from 'vitest';
import { REMEMBERED, SPARED_MS, sparingBusyChannels } from '../../../../lambda/hub/log/busy-channels.ts';
import type { ChannelStore, Claim } from '../../../../lambda/hub/log/log-ports.ts';
import { Refusal } from '../../../../protocol/errors.ts';

/** A store whose claims fail as the test says, and which counts those that reach it. */
function scene() {
  const asked: string[] = [];
  let now = 1_000_000;
  const state: { failure: Error | undefined } = {
    failure: new Refusal('unavailable', 'the store is busy; retry'),
  };
  const unused = () => Promise.reject(new Error('not used'));
  const store: ChannelStore = {
    get: unused,
    create: unused,
    list: unused,
    beginEpoch: unused,
    forgetProducer: unused,
    touch: unused,
    remove: unused,
    async reserve({ channel }) {
      asked.push(channel);
      if (state.failure) throw state.failure;
      return undefined;
    },
  };
  const { reserve } = sparingBusyChannels(store, () => now);
  const claim = async (channel: string): Promise<string> => {
    const wanted: Claim = {
      channel,
      id: 'id',
      contentType: 'application/json',
      streamKey: undefined,
      seq: undefined,
      close: false,
      producer: undefined,
      replaces: undefined,
      slots: 1,
      now,
      silentSince: 0,
      fresh: undefined,
    };
    return await reserve(wanted).then(
      () => 'asked',
      (error: unknown) => (error instanceof Refusal ? error.code : 'defect'),
    );
  };
  const pass = (ms: number): void => {
    now += ms;
  };
  return { asked, state, claim, pass };
}

test('a claim of a channel that was busy is refused without a call, and other channels are not', async () => {
  const { asked, state, claim, pass } = scene();
  expect(await claim('a')).toBe('unavailable');
  state.failure = undefined;
  for (let n = 0; n < 100; n++) expect(await claim('a')).toBe('unavailable');
  expect(await claim('b')).toBe('asked');
  pass(SPARED_MS - 1);
  expect(await claim('a')).toBe('unavailable');
  expect(asked).toEqual(['a', 'b']);
});

test('a caller that comes after Retry-After is served, and a refusal at once does not prolong the time', async () => {
  const { asked, state, claim, pass } = scene();
  await claim('a');
  for (let ms = 0; ms < SPARED_MS; ms += 100) {
    await claim('a');
    pass(100);
  }
  state.failure = undefined;
  expect([await claim('a'), await claim('a')]).toEqual(['asked', 'asked']);
  expect(asked).toEqual(['a', 'a', 'a']);
});

test('a clock that is set back does not make the time longer', async () => {
  const { state, claim, pass } = scene();
  await claim('a');
  pass(-3_600_000);
  state.failure = undefined;
  expect(await claim('a')).toBe('asked');
});

test.each([
  ['another refusal', new Refusal('channel_closed', 'closed'), 'channel_closed'],
  ['a defect', new Error('a missing grant'), 'defect'],
])('%s does not count as busy', async (_name, failure, code) => {
  const { asked, state, claim } = scene();
  state.failure = failure;
  expect([await claim('a'), await claim('a')]).toEqual([code, code]);
  expect(asked).toEqual(['a', 'a']);
});

test('a process remembers a limited number of channels, those that were busy last', async () => {
  const { asked, claim } = scene();
  for (let n = 0; n <= REMEMBERED; n++) await claim(`c${n}`);
  asked.length = 0;
  for (const n of [1, REMEMBERED, 0]) await claim(`c${n}`);
  expect(asked).toEqual(['c0']);
});

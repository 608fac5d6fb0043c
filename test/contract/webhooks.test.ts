/**
 * The endpoints, their registrations, and the dispatch cursors of channels (lambda/webhook/webhook-stores.ts).
 * @module
 */
import { describe, expect, test } from 'vitest';
import type { DisabledReason, Endpoint, EndpointStatus } from '../../lambda/webhook/endpoint.ts';
import { patternsOf } from '../../protocol/channel-name.ts';
import { hardOfHearing, NOW, newId, storesUnderTest } from './stores.ts';

const endpoint = (more: Partial<Endpoint> = {}): Endpoint => ({
  id: newId(),
  url: 'https://example.com/hooks?a=b',
  channels: ['orders/*', 'a.b/~c'],
  types: ['order.paid', 'invoice.*'],
  format: 'standard',
  description: 'billing',
  rate: 600,
  status: 'disabled',
  reason: 'asked',
  handshake: true,
  principal: 'someone',
  createdAt: NOW,
  enabledAt: NOW + 1,
  sealed: 'c2VjcmV0',
  version: 1,
  ...more,
});

const BARE: Partial<Endpoint> = {
  channels: [],
  types: [],
  format: 'cloudevents',
  description: '',
  rate: undefined,
  reason: undefined,
  handshake: false,
  principal: undefined,
};

// A record, so that the compiler finds a missing one.
const KINDS: Readonly<Record<EndpointStatus | DisabledReason, Partial<Endpoint>>> = {
  enabled: { status: 'enabled', reason: undefined },
  pending: { status: 'pending', reason: undefined },
  disabled: { status: 'disabled' },
  asked: { reason: 'asked' },
  failing: { reason: 'failing' },
  gone: { reason: 'gone' },
};

describe.each([...storesUnderTest(), hardOfHearing])('%s', (_name, open) => {
  describe('an endpoint', () => {
    test('is read as it was created, until it is removed', async () => {
      const { endpoints } = open();
      const all = [endpoint(), endpoint(BARE), ...Object.values(KINDS).map(endpoint)];
      for (const one of all) {
        expect(await endpoints.get(one.id)).toBeUndefined();
        await endpoints.create(one);
        expect(await endpoints.get(one.id)).toStrictEqual(one);
      }
      for (const { id } of all) {
        await endpoints.remove(id);
        await endpoints.remove(id);
        expect(await endpoints.get(id)).toBeUndefined();
      }
    });

    test('is changed version by version, also back to what it was', async () => {
      const { endpoints } = open();
      const first = endpoint();
      await endpoints.create(first);
      const second = { ...first, ...BARE, version: 2 };
      expect(await endpoints.replace(second)).toBe(true);
      expect(await endpoints.replace({ ...first, url: 'https://late.example', version: 2 })).toBe(false);
      expect(await endpoints.replace({ ...first, version: 4 })).toBe(false);
      expect(await endpoints.get(first.id)).toStrictEqual(second);
      expect(await endpoints.replace({ ...first, version: 3 })).toBe(true);
      expect(await endpoints.get(first.id)).toStrictEqual({ ...first, version: 3 });
    });

    test('that was removed or never existed is not changed', async () => {
      const { endpoints } = open();
      const first = endpoint();
      expect(await endpoints.replace({ ...first, version: 2 })).toBe(false);
      await endpoints.create(first);
      await endpoints.remove(first.id);
      expect(await endpoints.replace({ ...first, version: 2 })).toBe(false);
      expect(await endpoints.get(first.id)).toBeUndefined();
    });

    test('takes exactly one of several changes at the same time', async () => {
      const { endpoints } = open();
      const first = endpoint();
      await endpoints.create(first);
      const rivals = Array.from({ length: 10 }, (_, at) => ({ ...first, sealed: `${at}`, version: 2 }));
      const made = await Promise.all(rivals.map((rival) => endpoints.replace(rival)));
      expect(made.filter(Boolean)).toHaveLength(1);
      expect(await endpoints.get(first.id)).toStrictEqual(rivals[made.indexOf(true)]);
    });
  });

  test('endpoints are listed page by page in the order of their ids', async () => {
    const { endpoints } = open();
    // Their ids sort after those of other tests.
    const prefix = `z${newId()}`;
    const all = ['c', 'a', 'e', 'b', 'd'].map((letter) => endpoint({ id: `${prefix}-${letter}` }));
    for (const one of all) await endpoints.create(one);
    const page = async (after: string, most: number) => {
      const { endpoints: found, more } = await endpoints.page(after, most);
      return [found.map(({ id }) => id.slice(prefix.length + 1)).join(''), more];
    };
    expect(await page(prefix, 2)).toEqual(['ab', true]);
    expect(await page(`${prefix}-b`, 2)).toEqual(['cd', true]);
    expect(await page(`${prefix}-c`, 2)).toEqual(['de', false]);
    expect(await page(`${prefix}-bb`, 9)).toEqual(['cde', false]);
    expect(await page(`${prefix}-e`, 2)).toEqual(['', false]);
    const [first] = (await endpoints.page(`${prefix}-b`, 1)).endpoints;
    expect(first).toStrictEqual(all[0]);
    const { endpoints: everyone } = await endpoints.page('', 1_000);
    expect(everyone.map(({ id }) => id).slice(-5)).toEqual(all.map(({ id }) => id).sort());
    for (const { id } of all) await endpoints.remove(id);
    expect(await page(prefix, 2)).toEqual(['', false]);
  });

  describe('a registration', () => {
    test('is found by any of the patterns, with the earliest moment', async () => {
      const { endpoints } = open();
      const [one, two, three] = [newId(), newId(), newId()];
      const patterns = patternsOf(`${newId()}/b/c`);
      const [name = '', near = '', far = ''] = patterns;
      expect(await endpoints.listeners(patterns)).toEqual(new Map());
      await endpoints.listen(one, name, NOW + 2);
      await endpoints.listen(one, far, NOW + 1);
      await endpoints.listen(one, near, NOW + 3);
      await endpoints.listen(two, near, NOW + 4);
      await endpoints.listen(three, `${name}/d`, NOW);
      expect(await endpoints.listeners(patterns)).toEqual(
        new Map([
          [one, NOW + 1],
          [two, NOW + 4],
        ]),
      );
      expect(await endpoints.listeners([name])).toEqual(new Map([[one, NOW + 2]]));
    });

    test('keeps the earlier of two moments, and ends when it is removed', async () => {
      const { endpoints } = open();
      const [one, two, pattern] = [newId(), newId(), newId()];
      const listeners = async () => Object.fromEntries(await endpoints.listeners([pattern]));
      await endpoints.unlisten(one, pattern, NOW + 100);
      await endpoints.listen(one, pattern, NOW);
      await endpoints.listen(one, pattern, NOW + 5);
      await endpoints.listen(two, pattern, NOW + 7);
      await endpoints.listen(two, pattern, NOW + 6);
      expect(await listeners()).toEqual({ [one]: NOW, [two]: NOW + 6 });
      await endpoints.unlisten(one, pattern, NOW + 100);
      await endpoints.unlisten(one, pattern, NOW + 100);
      expect(await listeners()).toEqual({ [two]: NOW + 6 });
      await endpoints.listen(one, pattern, NOW + 9);
      expect(await listeners()).toEqual({ [one]: NOW + 9, [two]: NOW + 6 });
    });

    test('is found among many, by as many patterns as a channel has', async () => {
      const { endpoints } = open();
      const patterns = patternsOf([newId(), ...'bcdefgh'].join('/')).slice(0, -1);
      const pairs = patterns.flatMap((pattern) =>
        Array.from({ length: 20 }, () => ({ id: newId(), pattern })),
      );
      await Promise.all(pairs.map(({ id, pattern }) => endpoints.listen(id, pattern, NOW)));
      const listeners = await endpoints.listeners(patterns);
      expect([...listeners.keys()].sort()).toEqual(pairs.map(({ id }) => id).sort());
    });
  });

  describe('a cursor of a channel', () => {
    const at = (entry: number, index = 0) => ({ entry, index });

    test('never moves back', async () => {
      const { dispatchCursors } = open();
      const [channel, streamId] = [newId(), newId()];
      const moved = async (entry: number, index: number) => {
        await dispatchCursors.move(channel, { streamId, at: at(entry, index) }, NOW);
        return (await dispatchCursors.find(channel, [])).cursor?.at;
      };
      expect((await dispatchCursors.find(channel, [])).cursor).toBeUndefined();
      expect(await moved(9, 3)).toEqual(at(9, 3));
      expect(await moved(9, 2)).toEqual(at(9, 3));
      expect(await moved(8, 999)).toEqual(at(9, 3));
      expect(await moved(9, 3)).toEqual(at(9, 3));
      expect(await moved(9, 10)).toEqual(at(9, 10));
      expect(await moved(10, 0)).toEqual(at(10));
      expect((await dispatchCursors.find(channel, [])).cursor).toStrictEqual({ streamId, at: at(10) });
      expect((await dispatchCursors.find(`${channel}/other`, [])).cursor).toBeUndefined();
    });

    test('begins again with another stream', async () => {
      const { dispatchCursors } = open();
      const channel = newId();
      await dispatchCursors.move(channel, { streamId: 'one', at: at(9) }, NOW);
      await dispatchCursors.move(channel, { streamId: 'two', at: at(1) }, NOW);
      expect((await dispatchCursors.find(channel, [])).cursor).toStrictEqual({ streamId: 'two', at: at(1) });
    });

    test('ends at the farthest of many moves', async () => {
      const { dispatchCursors } = open();
      const channel = newId();
      const moves = [5, 9, 2, 7, 8, 1].map((entry) =>
        dispatchCursors.move(channel, { streamId: 'one', at: at(entry) }, NOW),
      );
      await Promise.all(moves);
      expect((await dispatchCursors.find(channel, [])).cursor?.at).toEqual(at(9));
    });
  });
});

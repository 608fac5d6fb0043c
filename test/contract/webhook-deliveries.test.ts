/**
 * The deliveries of the store of deliveries (lambda/webhook/webhook-stores.ts).
 * @module
 */
import { describe, expect, test } from 'vitest';
import {
  type Attempt,
  DELIVERY_STATUSES,
  type Delivery,
  type ErrorClass,
} from '../../lambda/webhook/delivery/delivery.ts';
import type { DeliveryStore } from '../../lambda/webhook/webhook-stores.ts';
import { DELIVERIES_KEPT_MS } from '../../protocol/limits.ts';
import { hardOfHearing, NOW, newId, storesUnderTest } from './stores.ts';

const idsOf = (all: readonly { readonly id: string }[]) => all.map(({ id }) => id).join(' ');

// A record, so that the compiler finds a missing one.
const ERRORS: Readonly<Record<ErrorClass, Attempt>> = {
  blocked: { number: 1, at: NOW, ms: 0, error: 'blocked' },
  dns_error: { number: 2, at: NOW, ms: 1, error: 'dns_error' },
  connection_refused: { number: 3, at: NOW, ms: 2, error: 'connection_refused' },
  connection_error: { number: 4, at: NOW, ms: 3, error: 'connection_error' },
  tls_error: { number: 5, at: NOW, ms: 4, error: 'tls_error' },
  timeout: { number: 6, at: NOW, ms: 15_000, error: 'timeout' },
  bad_response: { number: 7, at: NOW, ms: 6, status: 200, error: 'bad_response' },
  interrupted: { number: 8, at: NOW, ms: 7, error: 'interrupted' },
};

const delivery = (more: Partial<Delivery> = {}): Delivery => ({
  id: `msg_${newId()}`,
  kind: 'message',
  channel: 'a/b',
  streamId: 'stream',
  position: { entry: 7, index: 3 },
  time: NOW,
  status: 'waiting',
  attempts: [...Object.values(ERRORS), { number: 9, at: NOW, ms: 8, status: 503, answer: 'nein\u0000 ✋' }],
  begun: 9,
  sendingSince: NOW + 1,
  failures: 2,
  due: NOW + 5_000,
  run: 'run',
  before: { status: 'waiting', due: NOW + 9 },
  changedAt: NOW + 2,
  to: 'offset',
  expiresAt: NOW + DELIVERIES_KEPT_MS,
  version: 1,
  writer: 'me',
  ...more,
});

/** A delivery without its optional members. */
function bare(more: Partial<Delivery>): Delivery {
  const { to: _, ...rest } = delivery({ attempts: [], run: '' });
  return { ...rest, sendingSince: undefined, due: undefined, before: undefined, ...more };
}

describe.each([...storesUnderTest(), hardOfHearing])('%s', (_name, open) => {
  /** The stores, and an endpoint that they do not know yet. */
  const newEndpoint = () => ({ deliveries: open().deliveries, endpoint: newId() });

  describe('a delivery', () => {
    test('is read as it was stored', async () => {
      const { deliveries, endpoint } = newEndpoint();
      const statuses = DELIVERY_STATUSES.map((status) =>
        delivery({ status, before: { status, due: undefined } }),
      );
      const kinds = (['message', 'test', 'handshake'] as const).map((kind) => bare({ kind }));
      for (const one of [delivery(), ...statuses, ...kinds]) {
        expect(await deliveries.get(endpoint, one.id)).toBeUndefined();
        expect(await deliveries.put(endpoint, one)).toBe(true);
        expect(await deliveries.get(endpoint, one.id)).toStrictEqual(one);
        expect(await deliveries.get(`${endpoint}2`, one.id)).toBeUndefined();
      }
    });

    test('is changed version by version', async () => {
      const { deliveries, endpoint } = newEndpoint();
      const first = delivery();
      const second = bare({ id: first.id, version: 2, writer: 'other' });
      expect(await deliveries.put(endpoint, second)).toBe(false);
      expect(await deliveries.put(endpoint, first)).toBe(true);
      expect(await deliveries.put(endpoint, { ...second, version: 3 })).toBe(false);
      expect(await deliveries.put(endpoint, second)).toBe(true);
      expect(await deliveries.put(endpoint, { ...second, writer: 'me' })).toBe(false);
      expect(await deliveries.put(endpoint, first)).toBe(false);
      expect(await deliveries.get(endpoint, first.id)).toStrictEqual(second);
    });

    test('that is stored twice by the same writer is accepted while it is the last change', async () => {
      const { deliveries, endpoint } = newEndpoint();
      const first = delivery();
      expect(await deliveries.put(endpoint, first)).toBe(true);
      expect(await deliveries.put(endpoint, first)).toBe(true);
      expect(await deliveries.put(endpoint, { ...first, writer: 'other' })).toBe(false);
      const second = { ...first, version: 2 };
      expect(await deliveries.put(endpoint, second)).toBe(true);
      expect(await deliveries.put(endpoint, second)).toBe(true);
      expect(await deliveries.put(endpoint, first)).toBe(false);
    });

    test.each([1, 2])(
      'takes exactly one of several writes at the same time (version %d)',
      async (version) => {
        const { deliveries, endpoint } = newEndpoint();
        const first = delivery();
        if (version === 2) await deliveries.put(endpoint, first);
        const rivals = Array.from({ length: 10 }, (_, at) => ({ ...first, version, writer: `w${at}` }));
        const made = await Promise.all(rivals.map((rival) => deliveries.put(endpoint, rival)));
        expect(made.filter(Boolean)).toHaveLength(1);
        expect(await deliveries.get(endpoint, first.id)).toStrictEqual(rivals[made.indexOf(true)]);
      },
    );
  });

  describe('the log of deliveries', () => {
    type Query = Parameters<DeliveryStore['page']>[1];
    const all: Query = { after: '', direction: 'forward', status: undefined, most: 100 };

    async function filled() {
      const { deliveries, endpoint } = newEndpoint();
      for (const id of ['c', 'a', 'e', 'b', 'd'])
        await deliveries.put(endpoint, bare({ id, status: 'ace'.includes(id) ? 'failed' : 'delivered' }));
      await deliveries.put(`${endpoint}2`, bare({ id: 'bb' }));
      await deliveries.putTask(endpoint, { id: 'a', due: NOW, kind: 'retry', delivery: 'a' });
      await deliveries.putTask(endpoint, { id: 'a', due: NOW, kind: 'test' });
      await open().leases.ask(endpoint, NOW);
      /** The ids of all pages in a row. */
      const walk = async (query: Partial<Query>) => {
        const pages: string[] = [];
        for (let after: string | undefined = query.after ?? ''; after !== undefined; ) {
          const page = await deliveries.page(endpoint, { ...all, ...query, after });
          pages.push(idsOf(page.deliveries));
          after = page.last;
        }
        // The last page may be empty.
        return pages.join('|').replace(/\|$/, '');
      };
      return { deliveries, endpoint, walk };
    }

    test('is read in both directions, from any id', async () => {
      const { walk } = await filled();
      expect(await walk({})).toBe('a b c d e');
      expect(await walk({ direction: 'back' })).toBe('e d c b a');
      expect(await walk({ after: 'b' })).toBe('c d e');
      expect(await walk({ after: 'bb' })).toBe('c d e');
      expect(await walk({ after: 'b', direction: 'back' })).toBe('a');
      expect(await walk({ after: 'bb', direction: 'back' })).toBe('b a');
      expect(await walk({ after: 'e' })).toBe('');
      expect(await walk({ after: 'a', direction: 'back' })).toBe('');
    });

    test('is read page by page', async () => {
      const { walk, deliveries, endpoint } = await filled();
      expect(await walk({ most: 2 })).toBe('a b|c d|e');
      expect(await walk({ most: 2, direction: 'back' })).toBe('e d|c b|a');
      expect(await deliveries.page(endpoint, { ...all, most: 2 })).toMatchObject({ last: 'b' });
      expect(await deliveries.page(endpoint, all)).toMatchObject({ last: undefined });
    });

    test('is read by status, in pages that count all deliveries', async () => {
      const { walk, deliveries, endpoint } = await filled();
      expect(await walk({ status: 'failed' })).toBe('a c e');
      expect(await walk({ status: 'delivered', direction: 'back' })).toBe('d b');
      expect(await walk({ status: 'skipped' })).toBe('');
      expect(await walk({ status: 'failed', most: 2 })).toBe('a|c|e');
      expect(await walk({ status: 'failed', most: 2, after: 'a' })).toBe('c|e');
      const page = await deliveries.page(endpoint, { ...all, status: 'skipped', most: 3 });
      expect(page).toEqual({ deliveries: [], last: 'c' });
    });

    test('has the deliveries as they were stored', async () => {
      const { deliveries, endpoint } = await filled();
      const one = delivery({ id: 'f' });
      await deliveries.put(endpoint, one);
      const page = await deliveries.page(endpoint, { ...all, direction: 'back', most: 1 });
      expect(page).toStrictEqual({ deliveries: [one], last: 'f' });
      expect((await deliveries.page(newId(), all)).deliveries).toEqual([]);
    });
  });
});

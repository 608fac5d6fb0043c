/**
 * States and changes of endpoints and deliveries, in virtual time. A change neither loses a delivery that waits, is under way
 * or was interrupted, nor sends it to a wrong URL (PROTOCOL.md §13.1, §13.5, §13.6).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { askHandshake, recover, replay, retryDelivery } from '../../../lambda/webhook/delivery-requests.ts';
import { changeEndpoint, removeEndpoint } from '../../../lambda/webhook/manage-endpoints.ts';
import type { EndpointStore } from '../../../lambda/webhook/webhook-stores.ts';
import { Refusal } from '../../../protocol/errors.ts';
import {
  at,
  DAY,
  ends,
  HOUR,
  inWorld,
  MINUTE,
  managingOf,
  messagesAt,
  present,
  statuses,
} from '../../support/webhooks/in-world.ts';
import type { WebhookWorld } from '../../support/webhooks/webhook-world.ts';

const NEW_URL = 'https://new.example.com/';

describe('an endpoint that must agree again because its URL changed', () => {
  test('receives waiting deliveries by a recovery', async () => {
    await inWorld(async (w) => {
      const endpoint = await w.endpoint({ handshake: true });
      const { id, url } = endpoint;
      w.answers.set(url, () => ({ status: 500 }));
      w.answers.set(NEW_URL, () => ({ status: 500 }));
      await w.publish('orders/7', 'a', 'b');
      await w.quiet(20_000);
      expect(statuses(w, id)).toEqual(['waiting', 'waiting']);
      await changeEndpoint(managingOf(w), await present(w, endpoint), { url: NEW_URL });
      await w.sleep(15 * MINUTE);
      w.answers.set(NEW_URL, () => ({ status: 200, allowedOrigin: '*' }));
      await askHandshake(managingOf(w), await present(w, endpoint));
      await w.sleep(MINUTE);
      expect(await present(w, endpoint)).toMatchObject({ status: 'enabled' });
      await recover(managingOf(w), await present(w, endpoint), 0);
      await w.sleep(2 * DAY);
      expect(messagesAt(w, NEW_URL).sort()).toEqual(['a', 'b']);
      const messages = w.listed(id).filter(({ kind }) => kind === 'message');
      expect(messages.map(({ status }) => status)).toEqual(['delivered', 'delivered']);
      expect(w.tasksOf(id).size).toBe(0);
    });
  });

  test('receives nothing before it agrees, not even an attempt that a caller asked for', async () => {
    await inWorld(async (w) => {
      const endpoint = await w.endpoint({ handshake: true });
      const { id } = endpoint;
      await w.publish('orders/7', 'secret');
      await w.quiet();
      w.answers.set(NEW_URL, () => ({ status: 404 }));
      for (const one of w.listed(id)) await retryDelivery(managingOf(w), endpoint, one.id);
      await changeEndpoint(managingOf(w), endpoint, { url: NEW_URL });
      await w.sleep(HOUR);
      expect(await present(w, endpoint)).toMatchObject({ status: 'pending' });
      expect([w.asked, at(w, NEW_URL), w.tasksOf(id).size]).toEqual([[NEW_URL], [], 0]);
    });
  });
});

test('two handshakes at the same time both succeed', async () => {
  await inWorld(async (w) => {
    const endpoint = await w.endpoint({ handshake: true, status: 'pending' });
    const { id, url } = endpoint;
    w.answers.set(url, () => ({ status: 200, allowedOrigin: '*' }));
    await askHandshake(managingOf(w), endpoint);
    await askHandshake(managingOf(w), endpoint);
    await w.quiet();
    expect(await present(w, endpoint)).toMatchObject({ status: 'enabled' });
    expect(w.listed(id)).toMatchObject([
      { kind: 'handshake', status: 'delivered' },
      { kind: 'handshake', status: 'delivered' },
    ]);
  });
});

describe('a replay', () => {
  test('keeps a delivery that is about to leave the log of deliveries there, to the end of its retry schedule', async () => {
    await inWorld(async (w) => {
      Object.defineProperty(w.log, 'retentionMs', { value: 365 * DAY });
      const endpoint = await w.endpoint();
      const { id, url } = endpoint;
      await w.publish('orders/7', 'a');
      await w.sleep(30 * DAY - 2 * MINUTE);
      w.answers.set(url, (_request, nth) => ({ status: nth < 4 ? 500 : 200 }));
      await replay(managingOf(w), await present(w, endpoint), 'orders/7', 'beginning');
      await w.sleep(2 * DAY);
      expect(w.listed(id).map(ends)).toEqual([[200, 500, 500, 200]]);
      expect(statuses(w, id)).toEqual(['delivered']);
      expect(Math.min(...w.listed(id).map(({ expiresAt }) => expiresAt - w.log.now))).toBeGreaterThan(
        28 * DAY,
      );
    });
  });

  test('does not treat a message that is being written as expired', async () => {
    await inWorld(async (w) => {
      const endpoint = await w.endpoint();
      const { id, url } = endpoint;
      await w.publish('orders/7', 'a');
      await w.quiet();
      let isFirst = true;
      w.log.hook = async (moment) => {
        if (moment !== 'before entries.put' || !isFirst) return;
        isFirst = false;
        await w.sleep(2_000);
      };
      // It has claimed its slot, and the next message overtakes it.
      const slow = w.publish('orders/7', 'slow');
      await w.sleep(100);
      await w.publish('orders/7', 'fast');
      await w.sleep(100);
      await replay(managingOf(w), await present(w, endpoint), 'orders/7', 'beginning');
      await slow;
      await w.sleep(HOUR);
      expect(statuses(w, id)).toEqual(['delivered', 'delivered', 'delivered']);
      expect(new Set(messagesAt(w, url))).toEqual(new Set(['a', 'slow', 'fast']));
    });
  });
});

describe('a recovery', () => {
  test('sends failed deliveries, even while a single attempt of one is under way', async () => {
    await inWorld(async (w) => {
      const endpoint = await w.endpoint();
      const { id, url } = endpoint;
      w.answers.set(url, () => ({ kind: 'error', error: 'blocked' }));
      await w.publish('orders/7', 'a', 'b');
      await w.quiet();
      w.answers.set(url, () => ({ kind: 'error', error: 'timeout', afterMs: 15_000 }));
      const [first] = w.listed(id);
      await retryDelivery(managingOf(w), endpoint, first?.id ?? '');
      await w.sleep(2_000);
      await recover(managingOf(w), endpoint, 0);
      await w.sleep(3_000);
      w.answers.delete(url);
      await w.sleep(HOUR);
      expect(w.listed(id).map(ends)).toEqual([
        ['blocked', 'timeout', 200],
        ['blocked', 200],
      ]);
      expect(statuses(w, id)).toEqual(['delivered', 'delivered']);
    });
  });

  test('sends an interrupted delivery whose task is gone', async () => {
    await inWorld(async (w) => {
      const endpoint = await w.endpoint();
      const { id } = endpoint;
      await w.publish('orders/7', 'a');
      while (statuses(w, id)[0] !== 'sending') await w.sleep(1);
      // The process dies at its next call: the attempt is claimed, but nothing was sent.
      w.calls = 0;
      w.crashAt = 1;
      await w.sleep(5_000);
      expect([w.crashes.length, statuses(w, id)]).toEqual([1, ['sending']]);
      await changeEndpoint(managingOf(w), await present(w, endpoint), { channels: ['chat/*'] });
      await w.sleep(HOUR);
      expect([statuses(w, id), w.tasksOf(id).size]).toEqual([['sending'], 0]);
      await recover(managingOf(w), await present(w, endpoint), 0);
      await w.sleep(HOUR);
      expect(w.listed(id).map(ends)).toEqual([['interrupted', 200]]);
      expect([statuses(w, id), w.tasksOf(id).size]).toEqual([['delivered'], 0]);
    });
  });
});

describe('a change of patterns', () => {
  const listening = async ({ endpoints }: WebhookWorld, pattern: string) => [
    ...(await endpoints.listeners([pattern])).keys(),
  ];

  test('that a crash interrupted before the removal: the first message removes the registration that is left', async () => {
    await inWorld(async (w) => {
      const endpoint = await w.endpoint();
      const { id } = endpoint;
      const busy: EndpointStore = {
        ...w.endpoints,
        replace: async () => {
          throw new Refusal('unavailable', 'busy');
        },
      };
      const change = changeEndpoint(managingOf(w, { endpoints: busy }), endpoint, { channels: ['chat/*'] });
      await expect(change).rejects.toMatchObject({ code: 'unavailable' });
      await removeEndpoint(managingOf(w), endpoint);
      expect(await listening(w, 'chat/*')).toEqual([id]);
      for (let nth = 0; nth < 3; nth++) {
        await w.publish('chat/1', nth);
        await w.quiet();
        expect([await listening(w, 'chat/*'), w.tasksOf(id).size]).toEqual([[], 0]);
      }
      expect([w.received, w.queued().deliver]).toEqual([[], 0]);
    });
  });

  test('that is refused removes nothing of the one that succeeds', async () => {
    await inWorld(async (w) => {
      const first = await w.endpoint();
      const { id } = first;
      const slowly = (ms: number) =>
        managingOf(w, {
          endpoints: {
            ...w.endpoints,
            async replace(endpoint) {
              await w.sleep(ms);
              return await w.endpoints.replace(endpoint);
            },
          },
        });
      const second = await changeEndpoint(managingOf(w), first, { description: 'second' });
      const channels = ['orders/*', 'chat/*'];
      const inTime = changeEndpoint(slowly(50), second, { channels });
      const late = changeEndpoint(slowly(20), first, { channels });
      await expect(late).rejects.toMatchObject({ code: 'webhook_conflict' });
      expect(await inTime).toMatchObject({ channels });
      expect(await listening(w, 'chat/*')).toEqual([id]);
      await w.publish('chat/1', 'hello');
      await w.quiet();
      expect(messagesAt(w, first.url)).toEqual(['hello']);
    });
  });
});

test('two failures with days of silence between them do not disable the endpoint', async () => {
  await inWorld(async (w) => {
    const endpoint = await w.endpoint();
    const { id, url } = endpoint;
    w.answers.set(url, ({ body }, nth) => ({ status: body.includes('poison') || nth === 1 ? 500 : 200 }));
    await w.publish('orders/7', 'poison');
    await w.sleep(6 * DAY);
    await w.publish('orders/7', 'fine');
    await w.sleep(DAY);
    expect(await present(w, endpoint)).toMatchObject({ status: 'enabled' });
    expect(statuses(w, id)).toEqual(['failed', 'delivered']);
    expect(w.notices.map(({ type }) => type)).not.toContain('webhook.disabled');
  });
});

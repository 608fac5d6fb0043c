/**
 * The handshake, in virtual time (PROTOCOL.md §13.6).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { at, DAY, inWorld, taskNow } from '../../support/webhooks/in-world.ts';

describe('the handshake', () => {
  const pending = { status: 'pending', handshake: true } as const;

  test.each([
    ['nothing', {}],
    ['another host', { allowedOrigin: 'other.example.com' }],
    ['a failure', { status: 500, allowedOrigin: '*' }],
    ['no answer', { kind: 'error', error: 'timeout' }],
  ] as const)('with an endpoint that answers %s: nothing is ever posted to it', async (_what, answer) => {
    await inWorld(async (w) => {
      const { id, url } = await w.endpoint(pending);
      w.answers.set(url, () => answer);
      await w.leaveTask(id, taskNow(w, { kind: 'handshake' }));
      await w.publish('orders/7', 1);
      await w.sleep(DAY);
      expect([w.asked, at(w, url), w.tasksOf(id).size]).toEqual([[url], [], 0]);
      expect(await w.endpoints.get(id)).toMatchObject({ status: 'pending' });
      expect(w.listed(id)).toMatchObject([{ kind: 'handshake', status: 'failed' }]);
    });
  });

  test('with an endpoint that agrees: it receives later messages, at the rate that it allows', async () => {
    await inWorld(async (w) => {
      const { id, url } = await w.endpoint(pending);
      w.answers.set(url, () => ({ allowedOrigin: 'HUB.example.com', allowedRate: '120' }));
      await w.publish('orders/7', 'before');
      await w.quiet();
      await w.leaveTask(id, taskNow(w, { kind: 'handshake' }));
      await w.quiet(5_000);
      expect(await w.endpoints.get(id)).toMatchObject({ status: 'enabled', rate: 120 });
      await w.publish('orders/7', 'after');
      await w.quiet();
      expect(at(w, url).map(({ body }) => JSON.parse(body).data)).toEqual(['after']);
    });
  });
});

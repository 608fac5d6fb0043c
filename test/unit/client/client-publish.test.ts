/**
 * Publishing while the hub does not answer: it ends within a minute. The clock stands still.
 * @module
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../client/connect.ts';
import type { Token } from '../../../client/token.ts';
import { type StillHost, settled, stillHost } from '../../support/client/still-host.ts';

const CHANNEL = 'chat/room1';
const MINUTE_MS = 60_000;

let host: StillHost;
let hub: Hub;
beforeEach(() => {
  host = stillHost();
});
afterEach(async () => {
  hub.close();
  await settled();
  expect(host.timers()).toBe(0);
});

/** Publishes, and records when and how that failed. */
function publish(token?: Token) {
  hub = connectOver(host, { url: 'https://hub.example', token });
  const failed: { at: number; code: unknown; retryAfterMs: unknown }[] = [];
  hub.publish(CHANNEL, ['x']).catch(({ code, retryAfterMs }) => {
    failed.push({ at: host.now(), code, retryAfterMs });
  });
  return failed;
}

const never = (): Promise<never> => new Promise(() => {});

test('on a network without answers', async () => {
  host.respond = never;
  const failed = publish();
  await host.pass(MINUTE_MS - 1);
  expect([failed, host.requests.length > 2]).toEqual([[], true]);
  await host.pass(1);
  expect(failed).toMatchObject([{ code: 'unavailable' }]);
});

test('when each attempt fails at once', async () => {
  const failed = publish();
  await host.pass(MINUTE_MS);
  const tries = host.requests.length;
  expect([failed, tries > 3]).toMatchObject([[{ code: 'unavailable' }], true]);
  await host.pass(MINUTE_MS);
  expect(host.requests.length).toBe(tries);
});

test('at once when the Retry-After is longer than a minute', async () => {
  host.respond = () =>
    Response.json(
      { error: { code: 'internal', message: 'no' } },
      { status: 500, headers: { 'Retry-After': '120' } },
    );
  const failed = publish();
  await host.pass(0);
  expect(failed).toEqual([{ at: 0, code: 'unavailable', retryAfterMs: 120_000 }]);
});

test('while the token function does not answer', async () => {
  const failed = publish(never);
  await host.pass(MINUTE_MS);
  expect(failed).toMatchObject([{ at: MINUTE_MS, code: 'unavailable' }]);
});

test('over a dead socket, with HTTP in the same minute', async () => {
  host.respond = never;
  hub = connectOver(host, { url: 'https://hub.example' });
  hub.subscribe(CHANNEL, { onMessages() {} });
  await settled();
  host.wires[0]?.open();
  await settled();
  const failed: unknown[] = [];
  hub.publish(CHANNEL, ['x']).catch((error) => failed.push(error));
  await host.pass(MINUTE_MS);
  expect(host.wires[0]?.said.filter(({ action }) => action === 'publish')).toMatchObject([{ key: 'key-1' }]);
  expect(failed).toMatchObject([{ code: 'unavailable' }]);
});

test('when the client is closed', async () => {
  host.respond = never;
  const failed = publish();
  await host.pass(1_000);
  hub.close();
  await settled();
  expect(failed).toMatchObject([{ at: 1_000, code: 'unavailable' }]);
});

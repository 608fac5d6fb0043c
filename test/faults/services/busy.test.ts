/**
 * If any AWS service is busy, the caller gets 503 `unavailable` with Retry-After, operators see a busy store and no defect,
 * and the hub works again afterwards (PROTOCOL.md §9).
 * @module
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { clearFaults, type Fault, inject } from '../../support/wire/faults.ts';
import { sumsOf } from '../../support/wire/measured.ts';
import { openSocket, statusOf } from '../../support/wire/socket.ts';
import { type Caller, callerAt, newChannel, refusalOf } from '../../support/wire/wire.ts';

/** As many attempts as the SDK makes. */
const ATTEMPTS = 3;
const SECONDS = { timeout: 30_000, interval: 50 };

let running: RunningHub;
let hub: Caller;
beforeAll(async () => {
  running = await startHub();
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
});
afterEach(() => clearFaults(running.stack.control));
afterAll(async () => await running.close());

type Handler = Fault['function'];

/** A long poll, short because most of them get nothing. */
const held = () =>
  hub.request(`/channels/${newChannel()}?offset=now&live=long-poll`, { headers: { Prefer: 'wait=1' } });

const effectOf = (status: number, type: string): Fault['effect'] => ({ status, type, message: 'CANARY' });
const opening = () => ({
  url: running.stack.socketUrl ?? '',
  headers: { Authorization: `Bearer ${running.token}` },
});
const arm = (handler: Handler, action: string, effect: Fault['effect']) =>
  inject(running.stack.control, { function: handler, action, effect, at: 'before', times: ATTEMPTS });

async function expectUnavailable(response: Response): Promise<void> {
  expect(response.headers.get('Retry-After')).toBe('1');
  expect(await response.clone().text()).not.toContain('CANARY');
  expect(await refusalOf(response)).toEqual([503, 'unavailable']);
}

/** Asserts that the handler found a store busy since then, and logged no defect. A machine with other work makes stores busy, too. */
const expectBusy = (handler: Handler, before = 0) =>
  expect
    .poll(async () => {
      const [unavailable, defects] = await counts(handler);
      return [unavailable > before, defects];
    }, SECONDS)
    .toEqual([true, 0]);

async function counts(handler: Handler): Promise<readonly [unavailable: number, defects: number]> {
  const sums = await sumsOf(running.stack.control);
  return [sums[`Unavailable ${handler}`] ?? 0, sums[`Defects ${handler}`] ?? 0];
}

const WAYS: readonly (readonly [string, Fault['effect']])[] = [
  ['breaks connections', 'reset'],
  ['fails', effectOf(500, 'InternalFailure')],
  ['is unavailable', effectOf(503, 'ServiceUnavailable')],
  ['is throttled', effectOf(400, 'ThrottlingException')],
  ['has used up its requests', effectOf(400, 'RequestLimitExceeded')],
];

/** This runs first, while no process knows a key: processes cache keys for minutes. */
describe('the keys of tokens cannot be fetched', () => {
  const secrets = 'secretsmanager:GetSecretValue';

  test.each([
    ['Publish', () => hub.publish(newChannel(), 1)],
    ['Read', () => hub.read(newChannel())],
    ['Hold', held],
    ['Webhooks', () => hub.request('/webhooks')],
  ] as const)('by %s', async (handler, ask) => {
    await arm(handler, secrets, effectOf(500, 'InternalServiceError'));
    await expectUnavailable(await ask());
    await expectBusy(handler);
  });

  test('by Socket', async () => {
    await arm('Socket', secrets, effectOf(500, 'InternalServiceError'));
    expect(await statusOf(opening())).toBe(503);
    await expectBusy('Socket');
  });
});

describe.each(WAYS)('a store that %s', (_name, effect) => {
  test.each([
    ['Publish', 'dynamodb:UpdateItem', () => hub.publish(newChannel(), 1)],
    ['Publish', 'dynamodb:PutItem', () => hub.publish(newChannel(), 1)],
    ['Read', 'dynamodb:GetItem', () => hub.read(newChannel())],
    ['Hold', 'dynamodb:GetItem', held],
    ['Webhooks', 'dynamodb:GetItem', () => hub.request('/webhooks/ep_00000000000000000000000000000000')],
  ] as const)('is answered by %s, at %s', async (handler, action, ask) => {
    const [before] = await counts(handler);
    await arm(handler, action, effect);
    await expectUnavailable(await ask());
    await clearFaults(running.stack.control);
    await expect.poll(async () => (await ask()).status, SECONDS).not.toBe(503);
    await expectBusy(handler, before);
  });

  test('is answered on a socket', async () => {
    const socket = await openSocket(opening());
    await arm('Socket', 'dynamodb:GetItem', effect);
    const said = { action: 'subscribe', channel: newChannel(), offset: 'now' };
    expect(await socket.ask(said)).toMatchObject({ type: 'error', code: 'unavailable' });
    await expect.poll(() => socket.ask(said), SECONDS).toMatchObject({ type: 'subscribed' });
    expect((await counts('Socket'))[1]).toBe(0);
    await socket.close();
  });

  test('delays a hint, does not lose it, and is no defect', async () => {
    const [before] = await counts('Push');
    await arm('Push', 'dynamodb:BatchGetItem', effect);
    expect((await hub.publish(newChannel(), 1)).status).toBe(204);
    await expectBusy('Push', before);
  });
});

test('a mistake of the hub itself is 500 and a defect', async () => {
  await inject(running.stack.control, {
    function: 'Publish',
    action: 'sns:Publish',
    effect: effectOf(403, 'AuthorizationError'),
    at: 'before',
  });
  expect(await refusalOf(await hub.publish(newChannel(), 1))).toEqual([500, 'internal']);
  await expect.poll(() => counts('Publish').then(([, defects]) => defects), SECONDS).toBe(1);
});

/**
 * The rules of webhooks one by one: bodies, the retry schedule, the outcome of an answer, and the health of an endpoint
 * (PROTOCOL.md §13.3, §13.4).
 * @module
 */
import { HTTP } from 'cloudevents';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { outcomeOf, retryAfterMs } from '../../../lambda/webhook/delivery/attempt-outcome.ts';
import { JITTER, nextDue, RETRY_DELAYS_MS } from '../../../lambda/webhook/delivery/retry-schedule.ts';
import { bodyFor, typeOf, wants } from '../../../lambda/webhook/delivery/webhook-body.ts';
import {
  afterFailure,
  afterSuccess,
  HEALTHY,
  hasFailedTooLong,
  isOnTrial,
} from '../../../lambda/webhook/health.ts';
import type { SendResult } from '../../../lambda/webhook/webhook-ports.ts';

const NOW = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;
const JSON_TYPE = 'application/json';
const of = { channel: 'orders/7', streamId: 'stream', position: { entry: 4, index: 1 }, time: NOW };
const content = (message: string | Uint8Array, contentType = JSON_TYPE) => ({
  contentType,
  message,
  next: { entry: 5, index: 0 },
});

describe('a body', () => {
  test('contains the published text unchanged', () => {
    const text = '{ "big":12345678901234567890, "type": "a.b", "u":"\\u00e9" }';
    expect(bodyFor('standard', 'msg_1', of, content(text))).toEqual({
      contentType: JSON_TYPE,
      text: `{"type":"a.b","timestamp":"2026-01-01T00:00:00.000Z","data":${text},"channel":"orders/7","offset":"0000000000050000"}`,
    });
  });

  test.each([
    ['text/plain', Buffer.from('é\n'), { text: 'é\n' }],
    ['image/png', Buffer.from([0, 255]), { base64: 'AP8=' }],
  ])('of a channel of %s has a field for that kind', (contentType, message, expected) => {
    const { text } = bodyFor('standard', 'msg_1', of, content(message, contentType));
    expect(JSON.parse(text)).toMatchObject({ type: 'message', channel: 'orders/7', ...expected });
  });

  test.each([
    [JSON_TYPE, '{"type":"order.paid","sum":3}', { type: 'order.paid', sum: 3 }],
    [JSON_TYPE, '[1,null]', [1, null]],
    ['text/plain', Buffer.from('hello'), 'hello'],
    ['image/png', Buffer.from([0, 255]), undefined],
  ])('in the format cloudevents is accepted by the SDK of CloudEvents (%s)', (type, message, data) => {
    const { contentType, text } = bodyFor('cloudevents', 'msg_1', of, content(message, type));
    // Throws for anything but a CloudEvent 1.0.
    const event = HTTP.toEvent({ headers: { 'content-type': contentType }, body: text });
    if (Array.isArray(event)) throw new Error('a batch');
    expect(event).toMatchObject({
      id: 'msg_1',
      source: '/channels/orders/7',
      specversion: '1.0',
      time: '2026-01-01T00:00:00.000Z',
      datacontenttype: type,
      tidingsoffset: '0000000000050000',
    });
    if (data === undefined) expect(event.data_base64).toBe('AP8=');
    else expect(event.data).toEqual(data);
  });

  test.each([
    ['{"type":"order.paid"}', 'order.paid'],
    ['{"type":"a_B9"}', 'a_B9'],
    [`{"type":"${'x'.repeat(128)}"}`, 'x'.repeat(128)],
    [`{"type":"${'x'.repeat(129)}"}`, 'message'],
    ['{"type":"order-paid"}', 'message'],
    ['{"type":".a"}', 'message'],
    ['{"type":"a..b"}', 'message'],
    ['{"type":7}', 'message'],
    ['{"type":"a\\n"}', 'message'],
    ['{"__proto__":{"type":"a"}}', 'message'],
    ['["type"]', 'message'],
    ['"type"', 'message'],
  ])('for the message %s has the type %s', (message, type) => {
    expect(typeOf({ contentType: JSON_TYPE, message })).toBe(type);
  });

  test('is wanted by its type, or by the beginning of its type', () => {
    const types = ['order.*', 'invoice.paid'];
    const wanted = [
      'order.paid',
      'order.a.b',
      'invoice.paid',
      'order',
      'orders.paid',
      'invoice',
      'message',
    ].map((type) => wants({ types }, type));
    expect(wanted).toEqual([true, true, true, false, false, false, false]);
    expect(wants({ types: [] }, 'message')).toBe(true);
  });
});

describe('the retry schedule', () => {
  test('has eight attempts in 27 hours, 35 minutes and 5 seconds', () => {
    expect([RETRY_DELAYS_MS.length + 1, RETRY_DELAYS_MS.reduce((sum, ms) => sum + ms, 0)]).toEqual([
      8,
      ((27 * 60 + 35) * 60 + 5) * 1_000,
    ]);
    expect(RETRY_DELAYS_MS.map((_ms, at) => (nextDue(at + 1, NOW, 0, () => 0.5) ?? 0) - NOW)).toEqual([
      5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000,
    ]);
    expect(nextDue(8, NOW, 0, () => 0.5)).toBeUndefined();
  });

  test('has a jitter of a fifth in both directions, and never begins before the pause that was asked for', () => {
    for (const [at, ms] of RETRY_DELAYS_MS.entries()) {
      const pause = (random: number) => (nextDue(at + 1, NOW, 0, () => random) ?? 0) - NOW;
      expect([pause(0), pause(1)]).toEqual([ms * (1 - JITTER), ms * (1 + JITTER)]);
    }
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(10 ** 8),
        (failures, random, asked) => {
          const pause = (nextDue(failures, NOW, asked, () => random) ?? 0) - NOW;
          const ms = RETRY_DELAYS_MS[failures - 1] ?? 0;
          expect(pause).toBeGreaterThanOrEqual(Math.max(asked, ms * (1 - JITTER)) - 1);
          expect(pause).toBeLessThanOrEqual(Math.max(asked, ms * (1 + JITTER)) + 1);
        },
      ),
    );
  });
});

describe('an answer', () => {
  const answer = (status: number, retryAfter?: string): SendResult => ({
    kind: 'answer',
    status,
    ms: 1,
    answer: '',
    retryAfter,
    allowedOrigin: undefined,
    allowedRate: undefined,
  });
  const failed = (notBeforeMs = 0, backoffMs = 0) => ({ kind: 'failed', notBeforeMs, backoffMs });

  test.each([
    [200, { kind: 'delivered' }],
    [204, { kind: 'delivered' }],
    [299, { kind: 'delivered' }],
    [199, failed()],
    [301, failed()],
    [308, failed()],
    [400, failed()],
    [404, failed()],
    [410, { kind: 'gone' }],
    [429, failed(60_000, 60_000)],
    [500, failed()],
    [502, failed(60_000)],
    [503, failed()],
    [504, failed(60_000)],
  ])('of %i means %j', (status, outcome) => {
    expect(outcomeOf(answer(status), NOW)).toEqual(outcome);
  });

  test.each([
    [429, '120', failed(120_000, 120_000)],
    [503, '0.2', failed(1_000, 1_000)],
    [503, 'Thu, 01 Jan 2026 00:10:00 GMT', failed(600_000, 600_000)],
    [503, 'Wed, 31 Dec 2025 00:10:00 GMT', failed(0, 0)],
    [503, 'Thursday, 01-Jan-26 00:10:00 GMT', failed(600_000, 600_000)],
    [503, 'Thu Jan  1 00:10:00 2026', failed(600_000, 600_000)],
    [429, String(48 * 3_600), failed(24 * HOUR, HOUR)],
    [503, '99999999999', failed(24 * HOUR, HOUR)],
    [503, 'soon', failed()],
    [503, '-5', failed()],
    [500, '120', failed()],
  ])('of %i with Retry-After: %s means %j', (status, retryAfter, outcome) => {
    expect(outcomeOf(answer(status, retryAfter), NOW)).toEqual(outcome);
  });

  test('that never comes is a failure, and a blocked address is final', () => {
    expect(outcomeOf({ kind: 'error', error: 'timeout', ms: 1 }, NOW)).toEqual(failed());
    expect(outcomeOf({ kind: 'error', error: 'blocked', ms: 0 }, NOW)).toEqual({ kind: 'final' });
    fc.assert(
      fc.property(fc.string(), (text) => void expect(retryAfterMs(text, NOW) ?? 0).toBeGreaterThanOrEqual(0)),
    );
  });
});

describe('health', () => {
  const failing = (failures: number, now = NOW) =>
    Array.from({ length: failures }).reduce<typeof HEALTHY>(
      (health) => afterFailure(health, now, 0),
      HEALTHY,
    );

  test('opens the circuit at the fifth failure, and for twice as long after each failed trial, up to five minutes', () => {
    expect([failing(4).backoffUntil, isOnTrial(failing(4))]).toEqual([0, false]);
    let health = failing(5);
    const backoffs: number[] = [];
    for (let now = NOW; backoffs.length < 9; ) {
      backoffs.push((health.backoffUntil - now) / 1_000);
      now = health.backoffUntil;
      health = afterFailure(health, now, 0);
    }
    expect(backoffs).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
  });

  test('counts requests that fail together as one trial, and is reset by a success except for the backoff', () => {
    expect(failing(10)).toMatchObject({ opens: 1, backoffUntil: NOW + 5_000, failingSince: NOW });
    expect(afterSuccess({ ...failing(10), nextStartAt: 7, isNotified: true })).toEqual({
      ...HEALTHY,
      nextStartAt: 7,
      backoffUntil: NOW + 5_000,
    });
  });

  test('disables the endpoint after five days without a success', () => {
    const health = failing(1);
    expect([hasFailedTooLong(health, NOW + 119 * HOUR), hasFailedTooLong(health, NOW + 120 * HOUR)]).toEqual([
      false,
      true,
    ]);
    expect(hasFailedTooLong(HEALTHY, NOW)).toBe(false);
  });
});

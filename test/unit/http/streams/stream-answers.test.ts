/**
 * Streams beyond the quota of their caller: how they are refused, and how an older stream ends for them (PROTOCOL.md §5.2).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { ANONYMOUS } from '../../../../lambda/access/caller.ts';
import { accessTo } from '../../../../lambda/access/verify.ts';
import { streamAnswers } from '../../../../lambda/http/streams/stream-answers.ts';
import { inboxesOf } from '../../../../lambda/hub/ephemeral/inbox.ts';
import { keptBookings, type Quota, type QuotaStore } from '../../../../lambda/hub/hold/caller-quota.ts';
import { rereading } from '../../../../lambda/hub/hold/reread.ts';
import { type ErrorCode, Refusal } from '../../../../protocol/errors.ts';
import { CHANNEL, publish } from '../../../support/domain/json-log.ts';
import { memoryLog } from '../../../support/domain/memory-log.ts';
import { memoryQuota } from '../../../support/domain/memory-quota.ts';
import { virtualTime } from '../../../support/domain/virtual-time.ts';

const LIFETIME_MS = 60_000;

function world(quota: Quota, store: QuotaStore = memoryQuota()) {
  const log = memoryLog();
  const time = virtualTime();
  const start = log.now;
  Object.defineProperty(log, 'now', { get: () => start + time.now() });
  const refusals: ErrorCode[] = [];
  const access = accessTo({
    keys: async () => [],
    audience: 'a',
    anonymous: { '*': ['subscribe'] },
    clock: log.clock,
  });
  let ids = 0;
  const newId = () => String(++ids).padStart(8, '0');
  const answers = streamAnswers({
    hold: { log, timer: time, wake: rereading({ log, timer: time }) },
    openInbox: inboxesOf({ listenEphemeral() {} }),
    access,
    quota: { store, quota, clock: log.clock, timer: time, newId, logDefect() {}, kept: keptBookings() },
    lifetimeMs: LIFETIME_MS,
    random: () => 0.5,
    logDefect: (error) => {
      throw error;
    },
    logRefusal: ({ code }) => void refusals.push(code),
    delivered: () => {},
    stopping: new AbortController().signal,
  });
  const ask = (query: string) => {
    const headers = query.includes('live') ? {} : { Accept: 'text/event-stream' };
    const raw = new Request(`http://hub.example/channels/${CHANNEL}?${query}`, { headers });
    return answers.channel({ channel: CHANNEL, caller: ANONYMOUS, raw, arrivedAt: undefined });
  };
  const askEvents = () =>
    answers.events(new Request(`http://hub.example/events?channel=${CHANNEL}`), ANONYMOUS);
  return { log, time, refusals, ask, askEvents };
}

const later = ': too_many_requests\nretry: 7500\n\n';

describe('a caller that has used its quota of streams', () => {
  test('an EventSource gets a delay for its reconnect, since a status would end it for good', async () => {
    const w = world({ most: 1, over: 0, isEvicting: false });
    const one = await w.time.until(w.ask('offset=now'));
    for (const refused of [await w.time.until(w.ask('offset=now')), await w.time.until(w.askEvents())]) {
      expect([refused.status, refused.headers.get('Content-Type')]).toEqual([200, 'text/event-stream']);
      expect(await refused.text()).toBe(later);
    }
    expect(w.refusals).toEqual(['too_many_requests', 'too_many_requests']);
    await one.body?.cancel();
    const next = await w.time.until(w.askEvents());
    const { value } = (await next.body?.getReader().read()) ?? {};
    expect(new TextDecoder().decode(value)).toMatch(/^retry: \d+\nid: /);
  });

  test('live=sse is refused', async () => {
    const w = world({ most: 1, over: 0, isEvicting: false });
    await w.time.until(w.ask('offset=now&live=sse'));
    await expect(w.time.until(w.ask('offset=now&live=sse'))).rejects.toMatchObject({
      code: 'too_many_requests',
    });
  });

  test('a busy table does not end an EventSource, but a bad request does', async () => {
    const busy = () => Promise.reject(new Refusal('unavailable', 'the table is busy'));
    const w = world({ most: 1, over: 0, isEvicting: false }, { ...memoryQuota(), take: busy });
    const answer = await w.time.until(w.ask('offset=now'));
    expect(await answer.text()).toBe(later.replace('too_many_requests', 'unavailable'));
    await expect(w.time.until(w.ask('offset=x'))).rejects.toMatchObject({ code: 'bad_offset' });
  });
});

test('a stream that is displaced ends normally in each framing, and no sent message is lost', async () => {
  const w = world({ most: 1, over: 1, isEvicting: true });
  await publish(w.log, 'first');
  const framings = [
    [() => w.ask('offset=-1&live=sse'), 'data:["first"]'],
    [() => w.ask('offset=-1'), 'data:"first"'],
    [w.askEvents, `data: {"channel":"${CHANNEL}","message":"first"}`],
  ] as const;
  for (const [ask, sent] of framings) {
    const old = await w.time.until(ask());
    const text = old.text();
    await w.time.until(w.time.sleep(1, new AbortController().signal));
    const newer = await w.time.until(ask());
    const before = w.time.now();
    expect(await w.time.until(text)).toContain(sent);
    expect(w.time.now() - before).toBeLessThan(1_000);
    await newer.body?.cancel();
  }
});

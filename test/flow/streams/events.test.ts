/**
 * PROTOCOL.md §5.2 over the wire: one stream of several channels.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { openStream } from '../../support/wire/event-stream.ts';
import { callerWith, EVERYTHING, newChannel, refusalOf } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);

describe('/events', () => {
  test('several channels in one stream, resumed by one id', async () => {
    const [a, b] = [newChannel(), newChannel()];
    const path = `/events?channel=${a}&channel=${b}`;
    const stream = await openStream(hub, path);
    await hub.publish(a, 'a1');
    const first = await stream.next();
    expect(JSON.parse(first?.data ?? '')).toEqual({ channel: a, message: 'a1' });
    await stream.close();
    await hub.publish(b, 'b1');
    await hub.publish(a, 'a2');
    for (const query of [`lastEventId=${first?.id}`, `offset=-1&lastEventId=${first?.id}`]) {
      const byQuery = await openStream(hub, `${path}&${query}`);
      expect(JSON.parse((await byQuery.next())?.data ?? '').message).not.toBe('a1');
      await byQuery.close();
    }
    const again = await openStream(hub, path, { 'Last-Event-ID': first?.id ?? '' });
    const rest = [await again.next(), await again.next()].map(
      (event) => JSON.parse(event?.data ?? '').message,
    );
    expect(rest.toSorted()).toEqual(['a2', 'b1']);
    await again.close();
  });

  test('several channels that are all closed and read tell the browser not to come back', async () => {
    const [a, b] = [newChannel(), newChannel()];
    for (const channel of [a, b]) {
      await hub.publish(channel, 1);
      await hub.request(`/channels/${channel}`, { method: 'POST', headers: { 'Stream-Closed': 'true' } });
    }
    const path = `/events?channel=${a}&channel=${b}`;
    const stream = await openStream(hub, path);
    const events = [await stream.next(), await stream.next(), await stream.next()];
    const last = await stream.next();
    expect([...events, last].map((event) => [event?.event, JSON.parse(event?.data ?? '').channel])).toEqual([
      ['message', a],
      ['closed', a],
      ['message', b],
      ['closed', b],
    ]);
    expect(await stream.next()).toBeUndefined();
    expect((await hub.request(path, { headers: { 'Last-Event-ID': last?.id ?? '' } })).status).toBe(204);
  });

  test('of several channels one is closed: it is announced by name, once for each stream, and the others continue', async () => {
    const [a, b] = [newChannel(), newChannel()];
    const path = `/events?channel=${a}&channel=${b}`;
    const stream = await openStream(hub, path);
    await hub.publish(a, 'last');
    expect(JSON.parse((await stream.next())?.data ?? '')).toEqual({ channel: a, message: 'last' });
    await hub.request(`/channels/${a}`, { method: 'POST', headers: { 'Stream-Closed': 'true' } });
    const closed = await stream.next();
    expect([closed?.event, JSON.parse(closed?.data ?? '')]).toEqual(['closed', { channel: a }]);
    await hub.publish(b, 'goes on');
    const after = await stream.next();
    expect(JSON.parse(after?.data ?? '')).toEqual({ channel: b, message: 'goes on' });
    await stream.close();
    const again = await openStream(hub, path, { 'Last-Event-ID': after?.id ?? '' });
    expect((await again.next())?.event).toBe('closed');
    await hub.publish(b, 'and on');
    expect(JSON.parse((await again.next())?.data ?? '')).toEqual({ channel: b, message: 'and on' });
    await again.close();
  });

  test('of several channels one is deleted: it is announced by name, and the others continue', async () => {
    const [a, b] = [newChannel(), newChannel()];
    const path = `/events?channel=${a}&channel=${b}`;
    const stream = await openStream(hub, path);
    await hub.publish(a, 'a1');
    const last = await stream.next();
    await hub.request(`/channels/${a}`, { method: 'DELETE' });
    const announced = { channel: a, error: { code: 'offset_gone', message: expect.any(String) } };
    const gone = await stream.next();
    expect([gone?.event, JSON.parse(gone?.data ?? '')]).toEqual(['gone', announced]);
    await hub.publish(b, 'b1');
    expect(JSON.parse((await stream.next())?.data ?? '')).toEqual({ channel: b, message: 'b1' });
    await stream.close();

    // A reader that was away at that moment is told too.
    const again = await openStream(hub, path, { 'Last-Event-ID': last?.id ?? '' });
    const first = await again.next();
    expect([first?.event, JSON.parse(first?.data ?? '')]).toEqual(['gone', announced]);
    const second = await again.next();
    expect(JSON.parse(second?.data ?? '')).toEqual({ channel: b, message: 'b1' });
    await again.close();

    // A reader that was told is not told again. It gets the next channel of that name from its first message.
    await hub.publish(a, 'a1 of the next');
    const third = await openStream(hub, path, { 'Last-Event-ID': second?.id ?? '' });
    const next = await third.next();
    expect([next?.event, JSON.parse(next?.data ?? '')]).toEqual([
      'message',
      { channel: a, message: 'a1 of the next' },
    ]);
    await third.close();
  });

  test('all channels are deleted: each is announced, and the stream waits for the next of their names', async () => {
    const [a, b] = [newChannel(), newChannel()];
    await hub.publish(a, 1);
    await hub.publish(b, 1);
    const path = `/events?channel=${a}&channel=${b}`;
    const before = await openStream(hub, path);
    await before.next();
    const last = await before.next();
    await before.close();
    for (const channel of [a, b]) await hub.request(`/channels/${channel}`, { method: 'DELETE' });
    const stream = await openStream(hub, path, { 'Last-Event-ID': last?.id ?? '' });
    const events = [await stream.next(), await stream.next()];
    expect(events.map((event) => [event?.event, JSON.parse(event?.data ?? '').channel])).toEqual([
      ['gone', a],
      ['gone', b],
    ]);
    await hub.publish(b, 'next');
    expect(JSON.parse((await stream.next())?.data ?? '')).toEqual({ channel: b, message: 'next' });
    await stream.close();
  });
});

describe('refusals of /events', () => {
  test.each([
    ['no channel', '/events', 400, 'bad_request'],
    [
      'too many channels',
      `/events?${Array.from({ length: 21 }, (_, n) => `channel=c${n}`).join('&')}`,
      400,
      'bad_request',
    ],
    ['a channel twice', '/events?channel=a&channel=a', 400, 'bad_request'],
    ['a bad name', '/events?channel=a*b', 400, 'bad_channel'],
    ['an id of other channels', '/events?channel=a&channel=b&offset=-1.-1.-1', 400, 'bad_offset'],
  ])('/events: %s', async (_name, path, status, code) => {
    expect(await refusalOf(await hub.request(path))).toEqual([status, code]);
  });

  test('/events allows GET only', async () => {
    const response = await hub.request('/events?channel=a', { method: 'POST', body: '1' });
    expect(response.headers.get('Allow')).toBe('GET, OPTIONS');
    expect(await refusalOf(response)).toEqual([405, 'method_not_allowed']);
  });

  test('/events needs a token for every channel', async () => {
    const [mine, theirs] = [newChannel(), newChannel()];
    const caller = callerWith({ [mine]: ['subscribe'] });
    expect((await caller.request(`/events?channel=${mine}&channel=${theirs}`)).status).toBe(403);
    expect((await callerWith(undefined).request(`/events?channel=${mine}`)).status).toBe(401);
  });
});

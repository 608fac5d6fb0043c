/**
 * PROTOCOL.md §2 over the wire: every channel name is only a name, also those that every JavaScript object has as members.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { openStream } from '../../support/wire/event-stream.ts';
import { follow, subscribe } from '../../support/wire/follow.ts';
import { socketWith } from '../../support/wire/socket.ts';
import { callerWith, EVERYTHING, newChannel, refusalOf } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);

const INHERITED = ['constructor', '__proto__', 'toString', 'hasOwnProperty', '__defineGetter__'];

describe.each(INHERITED)('%s', (name) => {
  test('is subscribed to on a socket, published to there, and unsubscribed from', async () => {
    const [socket, other] = [await socketWith(EVERYTHING), await socketWith(EVERYTHING)];
    const from = await subscribe(socket, name);
    await subscribe(other, name, '-1');
    const published = await socket.ask({ action: 'publish', channel: name, messages: [1] });
    expect(published).toMatchObject({ type: 'published', channel: name });
    expect((await follow(socket, { channel: name, from }, 1)).messages).toEqual([1]);
    // A second subscription with the same name is the same subscription.
    expect(await subscribe(socket, name)).toBe('');
    expect(await socket.ask({ action: 'unsubscribe', channel: name })).toMatchObject({
      type: 'unsubscribed',
    });
    expect(await subscribe(socket, name)).toMatch(/^\d{16}$/);
  });

  test('can be the first part of a pattern', async () => {
    const socket = await socketWith(EVERYTHING);
    const pattern = `${name}/*`;
    const channel = `${name}/${newChannel()}/${name}`;
    await subscribe(socket, pattern);
    await hub.publish(channel, 1);
    expect((await follow(socket, { channel, pattern }, 1)).messages).toEqual([1]);
    expect(await socket.ask({ action: 'unsubscribe', channel: pattern })).toMatchObject({
      type: 'unsubscribed',
    });
  });

  test('is published to and read over HTTP, with a token that allows it and nothing else', async () => {
    const caller = callerWith({ [name]: ['publish', 'subscribe', 'manage'] });
    await caller.request(`/channels/${name}`, { method: 'DELETE' });
    const { headers } = await caller.publish(name, { name });
    expect(headers.get('Stream-Next-Offset')).toMatch(/^\d{16}$/);
    expect((await caller.readAll(name)).messages).toEqual([{ name }]);
    const stream = await openStream(caller, `/events?channel=${name}`);
    expect(JSON.parse((await stream.next())?.data ?? '')).toEqual({ channel: name, message: { name } });
    await stream.close();
    expect((await caller.request(`/channels/${newChannel()}`)).status).toBe(403);
    expect((await callerWith({}).request(`/channels/${name}`)).status).toBe(403);
  });

  test('is a header and a query parameter that change nothing', async () => {
    const channel = newChannel();
    const answer = await hub.request(`/channels/${channel}`, { headers: { [name]: 'x' } });
    expect([answer.status, await answer.text()]).toEqual([200, '[]']);
    const ds = await hub.request(`/v1/stream/${channel}?${name}=x`);
    expect([ds.status, await ds.text()]).toEqual([200, '[]']);
  });

  test('can be a pattern of a webhook', async () => {
    const answer = await hub.request('/webhooks', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ url: 'https://example.com/hooks', channels: [name, `${name}/*`] }),
    });
    expect([answer.status, await answer.json()]).toMatchObject([201, { channels: [name, `${name}/*`] }]);
    const { pathname } = new URL(answer.headers.get('Location') ?? '');
    await hub.publish(name, 1);
    expect((await hub.request(pathname, { method: 'DELETE' })).status).toBe(204);
    const unknown = await hub.request(`/webhooks/${name}`);
    expect(await refusalOf(unknown)).toEqual([404, 'webhook_not_found']);
  });
});

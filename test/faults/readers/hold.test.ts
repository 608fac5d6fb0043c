/**
 * Held reads when processes crash, and when all concurrency is used.
 * @module
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { openStream } from '../../support/wire/event-stream.ts';
import { clearFaults, inject } from '../../support/wire/faults.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { type Caller, callerAt, newChannel } from '../../support/wire/wire.ts';

const MAX_HOLDS = 5;
let running: RunningHub;
let hub: Caller;
let bare: RunningHub;
const lines: string[] = [];

beforeAll(async () => {
  const few = { 'tidings:maxHolds': MAX_HOLDS, 'tidings:streamSeconds': 2 };
  [running, bare] = await Promise.all([
    startHub({ context: few, log: (line) => lines.push(line) }),
    startHub({ context: { 'tidings:edge': false } }),
  ]);
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
});
afterEach(() => clearFaults(running.stack.control));
afterAll(async () => {
  await saveGrants('hold', running.stack.control);
  await saveGrants('bare', bare.stack.control);
  await Promise.all([running.close(), bare.close()]);
});

const hold = (channel: string, offset: string) =>
  hub.request(`/channels/${channel}?live=long-poll&offset=${offset}`);
const nextOf = (response: Response): string => response.headers.get('Stream-Next-Offset') ?? 'none';

test('a long poll without concurrency gets a transient error; publishing and short polling work, and long polls work again later', async () => {
  const channel = newChannel();
  const end = nextOf(await hub.publish(channel, 'first'));
  const held = Array.from({ length: MAX_HOLDS }, () => hold(channel, end));
  const path = `/channels/${channel}?live=long-poll&offset=${end}`;
  const status = async () => (await hub.request(path, { headers: { Prefer: 'wait=0' } })).status;
  // AWS does not document the error of API Gateway (PROTOCOL.md §8).
  await expect.poll(status).toSatisfy((code) => code === 429 || code >= 500);
  for (let n = 0; n < 20; n++) expect((await hub.publish(newChannel(), n)).status).toBe(204);
  expect((await hub.readAll(channel)).messages).toEqual(['first']);
  await hub.publish(channel, 'second');
  for (const response of await Promise.all(held)) expect(await response.json()).toEqual(['second']);
  expect((await hold(channel, end)).status).toBe(200);
});

test('a function that crashes while it holds requests gives a transient error, and the next request continues from the same offset', async () => {
  const channel = newChannel();
  const end = nextOf(await hub.publish(channel, 'first'));
  await inject(running.stack.control, {
    function: 'Hold',
    at: 'before',
    action: 'dynamodb:GetItem',
    call: 4,
    effect: 'kill',
  });
  const died = await hold(channel, end);
  expect([500, 502, 503]).toContain(died.status);
  await hub.publish(channel, 'second');
  expect(await (await hold(channel, end)).json()).toEqual(['second']);
});

test('a stream ends after its lifetime, and a crash cuts it; both times its reader continues from its offset', async () => {
  const channel = newChannel();
  await hub.publish(channel, 0);
  const seen: string[] = [];
  let id = '';
  const accept = { Accept: 'text/event-stream' };
  for (let streams = 0; seen.length < 6; streams++) {
    if (streams === 1) {
      await inject(running.stack.control, {
        function: 'Stream',
        at: 'before',
        action: 'dynamodb:GetItem',
        call: 5,
        effect: 'kill',
      });
    }
    const stream = await openStream(hub, `/channels/${channel}`, { ...accept, 'Last-Event-ID': id });
    await hub.publish(channel, streams * 2 + 1, streams * 2 + 2);
    try {
      for (let event = await stream.next(); event; event = await stream.next()) {
        seen.push(event.data);
        id = event.id ?? '';
      }
    } catch {
      // The connection broke: that is what an EventSource reconnects after.
    }
  }
  expect(seen.slice(0, 6)).toEqual(['0', '1', '2', '3', '4', '5']);
});

/** The two handlers that hold requests. Each reads once from an offset. */
const HANDLERS = {
  Hold: async (channel: string, offset: string) => {
    const response = await hold(channel, offset);
    return {
      status: response.status,
      messages: response.status === 200 ? await response.json() : await response.text(),
    };
  },
  Stream: async (channel: string, offset: string) => {
    const response = await hub.request(`/channels/${channel}?live=sse&offset=${offset}`);
    const text = await response.text();
    const [, data = '[]'] = /^event: data\ndata:(.*)$/m.exec(text) ?? [];
    return { status: response.status, messages: response.status === 200 ? JSON.parse(data) : text };
  },
} as const;

describe.each(Object.entries(HANDLERS))('the handler %s', (handler, readOnce) => {
  const name = handler === 'Hold' ? 'Hold' : 'Stream';

  test('seals a gap, although the store answers late', async () => {
    const channel = newChannel();
    const end = nextOf(await hub.publish(channel, 'first'));
    const { control } = running.stack;
    await inject(control, { function: 'Publish', at: 'before', action: 'dynamodb:PutItem', effect: 'kill' });
    await hub.publish(channel, 'lost');
    await hub.publish(channel, 'after');
    // The SDK repeats the write of the seal, which finds the first one, and recognizes it.
    const seal = { function: name, action: 'dynamodb:PutItem', resource: 'Entries' } as const;
    await inject(control, { ...seal, at: 'after', effect: { delayMs: 1_200 } });
    const read = async () => (await readOnce(channel, end)).messages;
    await expect.poll(read, { interval: 100 }).toEqual(['after']);
  });

  test('keeps alive a channel that it reads', async () => {
    const channel = newChannel();
    const headers = { 'Content-Type': 'application/json', 'Stream-TTL': '60' };
    await hub.request(`/channels/${channel}`, { method: 'PUT', headers, body: '[1]' });
    expect(await readOnce(channel, '-1')).toEqual({ status: 200, messages: [1] });
    const calls: unknown = await (await fetch(`${running.stack.control}/calls`)).json();
    const touched = expect.objectContaining({
      function: expect.stringContaining(name),
      action: 'dynamodb:UpdateItem',
    });
    expect(calls).toEqual(expect.arrayContaining([touched]));
  });

  test('answers a defect without details, and logs it', async () => {
    const fault = { status: 400, type: 'ValidationException', message: `CANARY of ${name}` };
    await inject(running.stack.control, {
      function: name,
      at: 'before',
      action: 'dynamodb:GetItem',
      effect: fault,
    });
    const { status, messages } = await readOnce(newChannel(), '-1');
    expect([status, JSON.parse(String(messages)).error.code]).toEqual([500, 'internal']);
    expect(String(messages)).not.toContain('CANARY');
    await expect.poll(() => lines.some((line) => line.includes(`CANARY of ${name}`))).toBe(true);
  });
});

test('without a front door: long polls are redirected to the hold function, and streams have a URL of their own', async () => {
  const authorization = { Authorization: `Bearer ${bare.token}` };
  const caller = callerAt(bare.stack.url, authorization);
  const channel = newChannel();
  await caller.publish(channel, 'news');
  const redirect = await caller.request(`/channels/${channel}?live=long-poll&offset=-1`, {
    redirect: 'manual',
  });
  expect([redirect.status, redirect.headers.get('Location')]).toEqual([
    307,
    `/hold/channels/${channel}?live=long-poll&offset=-1`,
  ]);
  expect(await (await caller.request(`/channels/${channel}?live=long-poll&offset=-1`)).json()).toEqual([
    'news',
  ]);
  expect((await caller.request(`/channels/${channel}?live=sse&offset=-1`)).status).toBe(501);
  const [streamUrl = ''] = Object.values(bare.stack.functionUrls);
  const stream = await openStream(callerAt(streamUrl, authorization), `/channels/${channel}`, {
    Accept: 'text/event-stream',
  });
  expect((await stream.next())?.data).toBe('"news"');
  await stream.close();
});

test('with a front door the streaming URL refuses every other caller', async () => {
  const [streamUrl = ''] = Object.values(running.stack.functionUrls);
  const path = `/channels/${newChannel()}?live=sse&offset=-1`;
  const bearer = `Bearer ${running.token}`;
  for (const headers of [{}, { Authorization: bearer }, { 'X-Tidings-Authorization': bearer }]) {
    expect((await fetch(`${streamUrl}${path}`, { headers })).status).toBe(403);
  }
  // A caller cannot send the header that only the front door may send.
  const forged = await fetch(`${running.stack.url}${path}`, {
    headers: { 'X-Tidings-Authorization': bearer },
  });
  expect(forged.status).toBe(401);
});

/**
 * What an operator sees of a running hub: metrics of all messages that were delivered, and log lines about those that were not.
 * @module
 */
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { openStream } from '../../support/wire/event-stream.ts';
import { clearFaults, inject } from '../../support/wire/faults.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { sumsOf } from '../../support/wire/measured.ts';
import { startReceiver } from '../../support/wire/receiver.ts';
import { openSocket } from '../../support/wire/socket.ts';
import { type Caller, callerAt, newChannel } from '../../support/wire/wire.ts';

const SECRET_QUERY = 's3cret-query';
const SECRET_MESSAGE = 's3cret-message';
const BUSY = { status: 400, type: 'ThrottlingException', message: 'on purpose' };

let running: RunningHub;
let hub: Caller;
const lines: string[] = [];

beforeAll(async () => {
  running = await startHub({
    // The local stack accepts the alarm address, and sends no e-mail.
    context: { 'tidings:alarmEmail': 'ops@example.com', 'tidings:streamSeconds': 2 },
    log: (line) => lines.push(line),
  });
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
});
afterEach(() => clearFaults(running.stack.control));
afterAll(async () => {
  await saveGrants('watch', running.stack.control);
  await running.close();
});

const sums = (): Promise<Record<string, number>> => sumsOf(running.stack.control);

/** Returns the log lines of functions about errors. */
const logged = (): Record<string, unknown>[] =>
  lines.flatMap((line) => {
    const [, text = ''] = /^\[[\w/]+\] (\{"level".*)$/.exec(line) ?? [];
    return text === '' ? [] : [JSON.parse(text)];
  });

test('every delivered message is measured, by transport, and none is printed', async () => {
  const channel = newChannel();
  const receiver = await startReceiver();
  onTestFinished(receiver.close);
  const endpoint = { url: receiver.url, channels: [channel] };
  const made = await hub.request('/webhooks', { method: 'POST', body: JSON.stringify(endpoint) });
  expect(made.status).toBe(201);
  const socket = await openSocket({
    url: running.stack.socketUrl ?? '',
    headers: { Authorization: `Bearer ${running.token}` },
  });
  await socket.ask({ action: 'subscribe', channel, offset: 'now' });
  await hub.publish(channel, 1, 2, 3);
  await socket.next((frame) => frame.type === 'messages');
  await hub.read(channel);
  await hub.request(`/channels/${channel}?live=long-poll&offset=-1`);
  const stream = await openStream(hub, `/channels/${channel}?offset=-1`, { Accept: 'text/event-stream' });
  await stream.next();
  await stream.close();
  await expect.poll(sums).toMatchObject({
    Published: 3,
    'Delivered Push': 3,
    'Delivered Read': 3,
    'Delivered Hold': 3,
    'Delivered Stream': 3,
    'Delivered Deliver': 3,
    PushLag: expect.any(Number),
  });
  expect((await sums()).PushLag).toBeLessThan(60_000);
  expect(lines.filter((line) => line.includes('_aws'))).toEqual([]);
});

test('a busy store is logged with the request and the channel, and measured; mistakes of callers are only measured', async () => {
  const channel = newChannel();
  const from = lines.length;
  const before = await sums();
  for (const effect of [BUSY, BUSY, BUSY])
    await inject(running.stack.control, {
      function: 'Publish',
      at: 'before',
      action: 'dynamodb:UpdateItem',
      effect,
    });
  const refused = await hub.request(`/channels/${channel}?_=${SECRET_QUERY}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify([SECRET_MESSAGE]),
  });
  expect(refused.status).toBe(503);
  expect((await callerAt(running.stack.url).read(channel)).status).toBe(401);
  const more = async (name: string) => ((await sums())[name] ?? 0) - (before[name] ?? 0);
  await expect.poll(() => more('Unavailable Publish')).toBe(1);
  await expect.poll(() => more('RefusedAccess')).toBe(1);
  const own = logged().filter(({ path }) => path === `/channels/${channel}`);
  expect(own).toMatchObject([
    {
      level: 'WARN',
      message: 'request refused',
      method: 'POST',
      code: 'unavailable',
      function_request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    },
  ]);
  const printed = lines.slice(from).join('\n');
  for (const secret of [SECRET_QUERY, SECRET_MESSAGE, running.token]) expect(printed).not.toContain(secret);
});

test('defects of requests that one process serves at once are logged with the id of their own request', async () => {
  const channels = Array.from({ length: 8 }, () => newChannel());
  const broken = { status: 400, type: 'ValidationException', message: 'on purpose' };
  for (const _ of channels)
    await inject(running.stack.control, {
      function: 'Read',
      at: 'before',
      action: 'dynamodb:GetItem',
      effect: broken,
    });
  const answers = await Promise.all(channels.map((channel) => hub.read(channel)));
  expect(answers.map(({ status }) => status)).toEqual(channels.map(() => 500));
  const own = () =>
    logged().filter(({ path }) => channels.some((channel) => path === `/channels/${channel}`));
  await expect.poll(() => own().length).toBe(channels.length);
  expect(new Set(own().map(({ function_request_id }) => function_request_id)).size).toBe(channels.length);
  await expect.poll(async () => (await sums())['Defects Read']).toBe(channels.length);
});

/**
 * The hook in an app of a team, over the wire (PROTOCOL.md §4.9): on HTTP, sockets, /v1/stream and the intake.
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import { synth } from '../../../local/synth.ts';
import { clearFaults, inject } from '../../support/wire/faults.ts';
import { openSocket } from '../../support/wire/socket.ts';
import { type Caller, callerAt, newChannel, refusalOf, throughBusy } from '../../support/wire/wire.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const STATE = join(ROOT, '.tidings');
const JSON_TYPE = { 'Content-Type': 'application/json' };

let outdir: string;
let stack: LocalStack;
let hub: Caller;
beforeAll(async () => {
  mkdirSync(STATE, { recursive: true });
  outdir = mkdtempSync(join(STATE, 'hook-'));
  await synth({ projectDir: join(ROOT, 'test/support/own-app'), outdir });
  stack = await startLocalStack({ assembly: outdir });
  hub = callerAt(stack.url, {});
  // The first process of the handler may take longer to start than a publish waits, on a machine that is busy.
  expect((await throughBusy(() => post(`/channels/${hooked()}`, { n: 0 }))).status).toBe(204);
});
afterAll(async () => {
  await stack.close();
  rmSync(outdir, { recursive: true, force: true });
});

const hooked = (): string => newChannel('hooked');
const post = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  hub.request(path, { method: 'POST', headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify(body) });
const all = async (channel: string): Promise<readonly unknown[]> => (await hub.readAll(channel)).messages;

/** Returns how often each function has called Lambda. */
async function questions(): Promise<Readonly<Record<string, number>>> {
  const calls: unknown = await (await fetch(`${stack.control}/calls`)).json();
  const asked = (Array.isArray(calls) ? calls : []).filter(
    ({ action }) => action === 'lambda:InvokeFunction',
  );
  return Object.fromEntries(asked.map(({ function: path, count }) => [path, count]));
}
const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);

describe('the messages that the handler answers are stored', () => {
  test('by POST, by PUT and on /v1/stream', async () => {
    const [posted, put, streamed] = [hooked(), hooked(), hooked()];
    expect((await post(`/channels/${posted}`, [{ n: 1 }, { n: 2 }])).status).toBe(204);
    await hub.request(`/channels/${put}`, { method: 'PUT', headers: JSON_TYPE, body: '{"n":3}' });
    await post(`/v1/stream/${streamed}`, { n: 4 });
    expect(await all(posted)).toEqual([
      { n: 1, seen: 'null' },
      { n: 2, seen: 'null' },
    ]);
    expect(await all(put)).toEqual([{ n: 3, seen: 'null' }]);
    expect(await all(streamed)).toEqual([{ n: 4, seen: 'null' }]);
  });

  test('as text on a channel of text', async () => {
    const channel = hooked();
    const headers = { 'Content-Type': 'text/plain' };
    await hub.request(`/channels/${channel}`, { method: 'POST', headers, body: 'grüße' });
    expect(await (await hub.read(channel)).text()).toBe('GRÜSSE');
  });

  test('on a socket, where ephemeral ones are sent as it answers them', async () => {
    const channel = hooked();
    const socket = await openSocket({ url: stack.socketUrl ?? '' });
    expect(await socket.ask({ action: 'subscribe', channel })).toMatchObject({ type: 'subscribed' });
    const publish = { action: 'publish', channel };
    expect(await socket.ask({ ...publish, messages: [{ n: 1 }] })).toMatchObject({ type: 'published' });
    expect(await socket.next(({ type }) => type === 'messages')).toMatchObject({
      messages: [{ n: 1, seen: 'null' }],
    });
    await socket.ask({ ...publish, messages: [{ n: 2 }], ephemeral: true });
    expect(await socket.next(({ type }) => type === 'ephemeral')).toMatchObject({
      messages: [{ n: 2, seen: 'null' }],
    });
    const refused = { ...publish, messages: [{ please: 'refuse' }] };
    for (const frame of [refused, { ...refused, ephemeral: true }])
      expect(await socket.ask(frame)).toMatchObject({
        type: 'error',
        code: 'refused',
        message: `nobody may say that on ${channel}`,
      });
    expect(await all(channel)).toEqual([{ n: 1, seen: 'null' }]);
  });

  test('from the intake', async () => {
    const channel = hooked();
    const [, sender = ''] = Object.entries(stack.outputs).find(([id]) => id.startsWith('GrantedUrl')) ?? [];
    expect((await fetch(`${sender.replace(/\/$/, '')}/?${channel}`)).status).toBe(204);
    await expect
      .poll(() => all(channel))
      .toEqual([
        { n: 1, seen: 'null' },
        { n: 2, seen: 'null' },
      ]);
  });
});

describe('nothing is stored', () => {
  test('if it refuses: 403 with its sentence', async () => {
    const channel = hooked();
    const answer = await post(`/channels/${channel}`, { please: 'refuse' });
    expect(await answer.clone().text()).toContain(`nobody may say that on ${channel}`);
    expect(await refusalOf(answer)).toEqual([403, 'refused']);
    expect(await all(channel)).toEqual([]);
  });

  test('if it refuses a message of the intake, which goes to the dead letters with its sentence', async () => {
    const channel = hooked();
    const { endpoint, region } = stack.aws;
    const sqs = new SQSClient({ endpoint, region, credentials: stack.aws });
    const [, intake = ''] =
      Object.entries(stack.outputs).find(([id]) => id.startsWith('FirstIntakeUrl')) ?? [];
    for (const message of [{ please: 'refuse' }, { n: 1 }])
      await sqs.send(
        new SendMessageCommand({
          QueueUrl: intake,
          MessageGroupId: channel,
          MessageBody: JSON.stringify({ channel, messages: [message] }),
        }),
      );
    await expect.poll(() => all(channel)).toEqual([{ n: 1, seen: 'null' }]);
    const queues: unknown = await (await fetch(`${stack.control}/queues`)).json();
    const { name } = (Array.isArray(queues) ? queues : []).find(({ queue }) =>
      queue.endsWith('First/Intake/Messages/DeadLetters'),
    );
    const letters = { QueueUrl: intake.replace(/[^/]+$/, name), MessageAttributeNames: ['All'] };
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand(letters));
    expect(Messages.map(({ MessageAttributes }) => MessageAttributes?.Reason?.StringValue)).toEqual([
      `refused: nobody may say that on ${channel}`,
    ]);
    sqs.destroy();
  });

  test.each(['fail', 'nonsense'])('if it does this: %s', async (please) => {
    const channel = hooked();
    const answer = await post(`/channels/${channel}`, { please });
    expect(answer.headers.get('Retry-After')).toBe('1');
    expect(await answer.clone().text()).not.toContain('secret');
    expect(await refusalOf(answer)).toEqual([503, 'unavailable']);
    expect(await all(channel)).toEqual([]);
  });

  test('if it is throttled', async () => {
    const channel = hooked();
    const busy = { status: 429, type: 'TooManyRequestsException', message: 'Rate Exceeded.' };
    const fault = { function: 'Publish', at: 'before', action: 'lambda:InvokeFunction' } as const;
    await inject(stack.control, { ...fault, effect: busy, times: 9 });
    const answer = await post(`/channels/${channel}`, { n: 1 });
    await clearFaults(stack.control);
    expect([answer.headers.get('Retry-After'), ...(await refusalOf(answer))]).toEqual([
      '1',
      503,
      'unavailable',
    ]);
    expect(await all(channel)).toEqual([]);
  });
});

test('the local Lambda answers its API to functions with the grant, as to the hub, and refuses others', async () => {
  const answerOf = async (id: string): Promise<string> => {
    const [, url = ''] = Object.entries(stack.outputs).find(([name]) => name.startsWith(`${id}Url`)) ?? [];
    return await (await fetch(url)).text();
  };
  // An event without a list of messages makes the handler fail.
  expect(await answerOf('Invokes')).toBe('Unhandled');
  expect(await answerOf('Trespasses')).toBe('AccessDeniedException');
  const client = new LambdaClient({
    endpoint: stack.aws.endpoint,
    region: stack.aws.region,
    credentials: stack.aws,
  });
  const missing = client.send(new InvokeCommand({ FunctionName: 'nobody' }));
  await expect(missing).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  client.destroy();
});

test('a retry that was accepted gets the first answer, and the handler is not asked again', async () => {
  const channel = hooked();
  const byKey = { 'Idempotency-Key': 'k' };
  const byProducer = { 'Producer-Id': 'p', 'Producer-Epoch': '0', 'Producer-Seq': '0' };
  for (const headers of [byKey, byProducer]) {
    const first = await post(`/channels/${channel}`, { n: 1 }, headers);
    const asked = sum(await questions());
    const again = await post(`/channels/${channel}`, { n: 1 }, headers);
    expect(again.headers.get('Stream-Next-Offset')).toBe(first.headers.get('Stream-Next-Offset'));
    expect(sum(await questions())).toBe(asked);
  }
  expect(await all(channel)).toHaveLength(2);
});

test('a hub without a hook, and a channel without one, ask nobody', async () => {
  const before = await questions();
  const [, second = ''] = Object.entries(stack.outputs).find(([id]) => id.startsWith('SecondHttpUrl')) ?? [];
  const other = callerAt(second.replace(/\/$/, ''), {});
  const channel = hooked();
  await other.publish(channel, { please: 'refuse' });
  expect((await other.readAll(channel)).messages).toEqual([{ please: 'refuse' }]);
  const plain = newChannel('plain');
  await hub.publish(plain, { please: 'refuse' });
  expect(await all(plain)).toEqual([{ please: 'refuse' }]);
  expect(await questions()).toEqual(before);
});

// The last test: the process of the handler is busy for a second after it.
test('nothing is stored if it is late', async () => {
  const channel = newChannel('hooked/late');
  const answer = await post(`/channels/${channel}`, { n: 1 });
  expect([answer.headers.get('Retry-After'), ...(await refusalOf(answer))]).toEqual([
    '1',
    503,
    'unavailable',
  ]);
  expect(await all(channel)).toEqual([]);
});

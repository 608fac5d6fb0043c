/**
 * PROTOCOL.md §5.2, §12.2 and §13.3 over the wire: byte order marks and line ends in text.
 * @module
 */
import { expect, inject, test } from 'vitest';
import { connect } from '../../../client/index.ts';
import { isHubLocal, webhooksOf } from '../../support/webhooks/webhook-calls.ts';
import { openStream } from '../../support/wire/event-stream.ts';
import { follow, subscribe } from '../../support/wire/follow.ts';
import { arrived, startReceiver } from '../../support/wire/receiver.ts';
import { socketWith } from '../../support/wire/socket.ts';
import { callerWith, EVERYTHING, newChannel, token } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);

const TEXT = '\ufeffone\r\ntwo\rthree\n\r\n four\ufeff';
/** The part that Server-Sent Events can represent: they cannot write a carriage return. */
const WITH_LINE_FEEDS = TEXT.replace(/\r\n?/g, '\n');

async function published(): Promise<string> {
  const channel = newChannel();
  const init = { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: TEXT };
  await hub.request(`/channels/${channel}`, init);
  return channel;
}

test('text is read over HTTP byte for byte', async () => {
  const response = await hub.request(`/channels/${await published()}`);
  expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.from(TEXT));
});

test('text on a socket is what was published', async () => {
  const channel = await published();
  const socket = await socketWith(EVERYTHING);
  const from = await subscribe(socket, channel, '-1');
  expect((await follow(socket, { channel, from }, 1)).messages).toEqual([TEXT]);
});

test('text on a stream of several channels is what was published', async () => {
  const channel = await published();
  const stream = await openStream(hub, `/events?channel=${channel}`);
  expect(JSON.parse((await stream.next())?.data ?? '')).toEqual({ channel, text: TEXT });
  await stream.close();
});

test.each([
  ['an EventSource', '', { Accept: 'text/event-stream' }],
  ['live=sse', '?offset=-1&live=sse', {}],
])(
  'text on a stream for %s has line feeds for carriage returns, and keeps the rest',
  async (_name, query, headers) => {
    const stream = await openStream(hub, `/channels/${await published()}${query}`, headers);
    expect((await stream.next())?.data).toBe(WITH_LINE_FEEDS);
    await stream.close();
  },
);

test.runIf(isHubLocal)('text in a webhook is what was published', async () => {
  const receiver = await startReceiver();
  const webhooks = webhooksOf(hub);
  const prefix = newChannel();
  for (const format of ['standard', 'cloudevents'])
    await webhooks.create(receiver.url, [`${prefix}/*`], { format });
  const init = { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: TEXT };
  await hub.request(`/channels/${prefix}/text`, init);
  await arrived(receiver, 2);
  expect(receiver.received.map(({ body }) => body.text ?? body.data)).toEqual([TEXT, TEXT]);
  await webhooks.removeAll();
  await receiver.close();
});

test.each([
  ['websocket', TEXT],
  ['long-poll', TEXT],
  ['poll', TEXT],
] as const)('text in the client by %s is what was published', async (transport, text) => {
  const channel = await published();
  const client = connect({
    url: inject('hub').url,
    token: await token(EVERYTHING),
    transports: [transport],
  });
  const { value } = await client.messages(channel, { offset: '-1' }).next();
  expect(value?.messages).toEqual([text]);
  client.close();
});

test('a byte order mark before JSON is not part of a message, and one within a string is', async () => {
  const channel = newChannel();
  const headers = { 'Content-Type': 'application/json' };
  const body = Buffer.from('\ufeff ["\ufeff"]');
  expect((await hub.request(`/channels/${channel}`, { method: 'POST', headers, body })).status).toBe(204);
  expect(await (await hub.request(`/channels/${channel}`)).text()).toBe('["\ufeff"]');
});

/**
 * HEAD, and the largest message (PROTOCOL.md §6, §8).
 * @module
 */

import { MAX_MESSAGE_BYTES } from '../../protocol/limits.ts';
import { subprotocolsFor } from '../../protocol/subprotocol.ts';
import { type Check, expectThat } from './check.ts';
import { openSocket } from './wire.ts';

/** HEAD must answer without a cached copy. */
export const head: Check = {
  number: 14,
  title: 'HEAD of a channel',
  expected: '200 with the type and the end of the channel, not cached, without a body',
  async run({ ask, newChannel, publish }) {
    const channel = await newChannel();
    for (const message of ['one', 'two']) {
      const end = (await publish(channel, [message])).headers.get('stream-next-offset');
      const answer = await ask(`/channels/${channel}`, { method: 'HEAD' });
      const [type, offset, cached] = ['content-type', 'stream-next-offset', 'cache-control'].map((name) =>
        answer.headers.get(name),
      );
      const came = `${answer.status} with type ${type}, offset ${offset} (published up to ${end}), Cache-Control ${cached}`;
      const isAll = answer.status === 200 && type?.startsWith('application/json') === true && offset === end;
      expectThat(isAll && cached === 'no-store' && (await answer.text()) === '', came);
    }
    return '200 with application/json, the offset of the publish and no-store, twice';
  },
};

/** The largest message must pass every transport, and one byte more must not. */
export const largestMessage: Check = {
  number: 15,
  title: 'a message of 128 KiB',
  expected: '204, the same text by a read, a frame on a socket; 413 for one byte more',
  async run({ hub, ask, newChannel, publish }) {
    const channel = await newChannel();
    const message = 'x'.repeat(MAX_MESSAGE_BYTES - '""'.length);
    const socket = await openSocket(hub.sockets, {
      protocols: subprotocolsFor(hub.token),
    });
    try {
      socket.send({ action: 'subscribe', channel });
      await socket.waitFor(({ type }) => type === 'subscribed');
      const published = await publish(channel, [message]);
      expectThat(published.status === 204, `${published.status} for the publish`);
      const read = await ask(`/channels/${channel}?offset=-1`);
      const text = await read.text();
      expectThat(text === `["${message}"]`, `${read.status} and ${text.length} characters for the read`);
      const over = await publish(channel, [`${message}x`]);
      expectThat(over.status === 413, `${over.status} for one byte more`);
      await socket.waitFor(
        ({ type, next }) => type === 'messages' && next === published.headers.get('stream-next-offset'),
      );
      return `204, ${MAX_MESSAGE_BYTES} bytes by a read, a frame on the socket, 413`;
    } finally {
      socket.close();
    }
  },
};

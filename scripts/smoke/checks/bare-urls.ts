/**
 * The URLs behind the front door, and what they answer with a front door and without one.
 * @module
 */
import { subprotocolsFor } from '../../../protocol/subprotocol.ts';
import { type Check, expectThat } from '../check.ts';
import { eventWith, openSocket } from '../wire.ts';

/** With a front door, the function URL must not be callable without it. */
export const bareUrls: Check = {
  number: 11,
  title: 'the URLs of HttpUrl, StreamUrl and SocketUrl',
  expected:
    'the API reads, and redirects long polls; sockets open; the function streams without a front door, and answers 403 with one. A hub with a domain or a web ACL answers 403 at all of them',
  async run({ hub, ask, askAnonymously, newChannel, publish }) {
    const channel = await newChannel();
    await publish(channel, ['seen']);
    const { http, stream, socket } = hub.bare;
    const path = `/channels/${channel}`;
    const read = await ask(`${http}${path}?offset=-1`);
    if (hub.hasEdge && read.status === 403) {
      const opened = await openSocket(socket, { protocols: subprotocolsFor(hub.token) }).catch(String);
      expectThat(String(opened).includes('403'), `403 at HttpUrl, and at SocketUrl ${String(opened)}`);
      await expectClosedStream(`${stream}${path}?live=sse&offset=-1`, [ask, askAnonymously]);
      return '403 at HttpUrl, SocketUrl and StreamUrl: the front door cannot be walked around';
    }
    expectThat((await read.text()) === '["seen"]', `${read.status} for a read at HttpUrl`);
    const held = await ask(`${http}${path}?live=long-poll&offset=-1`, { redirect: 'manual' });
    const location = held.headers.get('location');
    expectThat(
      held.status === 307 && location?.startsWith('/hold/') === true,
      `${held.status} to ${location} for a long poll at HttpUrl`,
    );
    const streamed = await ask(`${http}${path}?live=sse&offset=-1`);
    expectThat(streamed.status === 501, `${streamed.status} for a stream at HttpUrl`);
    const opened = await openSocket(socket, { protocols: subprotocolsFor(hub.token) });
    opened.close();
    const atApi = `${read.status}, ${held.status} to /hold and ${streamed.status} at HttpUrl`;
    if (!hub.hasEdge) {
      await eventWith('seen', await ask(`${stream}${path}?live=sse&offset=-1`));
      return `${atApi}, a socket, a stream at StreamUrl`;
    }
    await expectClosedStream(`${stream}${path}?live=sse&offset=-1`, [ask, askAnonymously]);
    return `${atApi}, a socket, 403 at StreamUrl`;
  },
};

async function expectClosedStream(
  url: string,
  askers: readonly ((url: string) => Promise<Response>)[],
): Promise<void> {
  for (const ask of askers) {
    const answer = await ask(url);
    await answer.body?.cancel();
    expectThat(
      answer.status === 403,
      `${answer.status} at StreamUrl: it can be called without the front door`,
    );
  }
}

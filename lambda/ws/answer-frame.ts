/**
 * Does what a client said on a socket, and answers one frame (PROTOCOL.md §12.2).
 * @module
 */
import { isPattern } from '../../protocol/channel-name.ts';
import { Refusal } from '../../protocol/errors.ts';
import { MAX_MESSAGES_PER_SECOND } from '../../protocol/limits.ts';
import { formatOffset } from '../../protocol/offset.ts';
import type { Access } from '../access/verify.ts';
import { fingerprintOf } from '../http/parse-channel.ts';
import { append } from '../hub/log/append.ts';
import { appendOnce } from '../hub/log/idempotency-key.ts';
import type { Publishing } from '../hub/log/log-ports.ts';
import type { Connection } from '../hub/push/push-ports.ts';
import { type Subscribing, subscribe, unsubscribe } from '../hub/push/subscribe.ts';
import { type ClientRequest, parseClientRequest, parseFrame, requestIdOf } from './parse-frame.ts';

const TOO_FAST = `a connection may say ${MAX_MESSAGES_PER_SECOND} messages a second: wait a second`;

type About = Readonly<Record<string, unknown>>;

export interface Sockets extends Subscribing {
  readonly log: Publishing;
  readonly access: Access;
  readonly logDefect: (error: unknown, about: About) => void;
  readonly logRefusal: (refusal: Refusal, about: About) => void;
  /** Told how many messages were appended. */
  readonly published: (count: number) => void;
}

/**
 * The frame that answers a message: an error if it was refused, never an exception.
 * @param isTooFast true if the connection says more than it may
 */
export async function answerMessage(
  sockets: Sockets,
  connectionId: string,
  body: string,
  isTooFast = false,
): Promise<string> {
  let about: About = {};
  try {
    const fields = parseFrame(body);
    const id = requestIdOf(fields);
    about = { ...(id === undefined ? {} : { id }), ...channelOf(fields) };
    if (isTooFast) throw new Refusal('too_many_requests', TOO_FAST);
    const said = parseClientRequest(fields, body);
    const answer = await answerTo(sockets, connectionId, said);
    return JSON.stringify({ ...answer, ...(id === undefined ? {} : { id }) });
  } catch (error) {
    const refusal = refusalOf(sockets, error, { connection: connectionId, ...about });
    return JSON.stringify({ type: 'error', ...about, ...refusal.toJSON().error });
  }
}

function refusalOf({ logDefect, logRefusal }: Sockets, error: unknown, about: About): Refusal {
  if (error instanceof Refusal) {
    logRefusal(error, about);
    return error;
  }
  logDefect(error, about);
  return new Refusal('internal', 'the hub failed on this message');
}

/** What is no name is not repeated: with the rest of the answer around it, it could be more than a socket takes. */
const channelOf = ({ channel }: Readonly<Record<string, unknown>>) =>
  typeof channel === 'string' && isPattern(channel) ? { channel } : {};

async function answerTo(sockets: Sockets, connectionId: string, said: ClientRequest): Promise<object> {
  // A ping says nothing of the caller, so it costs no look at who that is.
  if (said.action === 'ping') return { type: 'pong', connection: connectionId };
  const connection = await sockets.connections.get(connectionId);
  if (!connection) throw new Refusal('unauthorized', 'the hub does not know this connection; open another');
  refuseExpired(connection, sockets.log.clock());
  switch (said.action) {
    case 'subscribe': {
      sockets.access.require('subscribe', said.pattern, connection);
      const { offset, isClosed } = await subscribe(sockets, connection, said.pattern, said.from);
      return {
        type: 'subscribed',
        channel: said.pattern,
        ...(offset ? { offset: formatOffset(offset) } : {}),
        ...(isClosed ? { closed: true } : {}),
      };
    }
    case 'unsubscribe':
      await unsubscribe(sockets, connection, said.pattern);
      return { type: 'unsubscribed', channel: said.pattern };
    case 'publish': {
      const { append: request, key } = said;
      sockets.access.require('publish', request.channel, connection);
      const once = key === undefined ? undefined : { key, fingerprint: await fingerprintOf(request) };
      const done = once ? await appendOnce(sockets.log, request, once) : await append(sockets.log, request);
      sockets.published(done.count);
      return { type: 'published', channel: request.channel, offset: done.nextOffset };
    }
  }
}

function refuseExpired({ allowedUntil }: Connection, now: number): void {
  if (allowedUntil !== undefined && allowedUntil <= now)
    throw new Refusal('unauthorized', 'the token of this connection has ended; open another');
}

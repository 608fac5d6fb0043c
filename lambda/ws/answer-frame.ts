/**
 * Carries out one request on a socket, and answers with one frame (PROTOCOL.md §12.2).
 * @module
 */
import { isPattern } from '../../protocol/channel-name.ts';
import { Refusal } from '../../protocol/errors.ts';
import { MAX_MESSAGES_PER_SECOND } from '../../protocol/limits.ts';
import { formatOffset } from '../../protocol/offset.ts';
import type { Caller } from '../access/caller.ts';
import type { Access } from '../access/verify.ts';
import { fingerprintOf } from '../http/parse-channel.ts';
import type { LogDefect } from '../hub/defects.ts';
import type { PublishEphemeral } from '../hub/ephemeral/publish-ephemeral.ts';
import type { Hook } from '../hub/hook.ts';
import { append } from '../hub/log/append.ts';
import { appendOnce } from '../hub/log/idempotency-key.ts';
import type { Publishing } from '../hub/log/log-ports.ts';
import type { Stamp } from '../hub/log/messages.ts';
import type { Connection } from '../hub/push/push-ports.ts';
import { type Subscribing, subscribe, unsubscribe } from '../hub/push/subscribe.ts';
import { type ClientRequest, parseClientRequest, parseFrame, requestIdOf } from './parse-frame.ts';
import { arrivalOf, noteSeen, type SocketPresence } from './present-sockets.ts';

const TOO_FAST = `a connection may send ${MAX_MESSAGES_PER_SECOND} messages a second: wait a second`;

type About = Readonly<Record<string, unknown>>;

/** The dependencies of the requests on sockets. */
export interface SocketParts extends Subscribing {
  /** Notes who is in a channel; undefined on a hub without presence. */
  readonly presence?: SocketPresence | undefined;
  /** The log, and the sender of hints. */
  readonly log: Publishing;
  /** Returns what the hub adds to the messages of a caller on a channel; undefined for nothing. */
  readonly stampFor: (channel: string, caller: Pick<Caller, 'principal'>) => Stamp | undefined;
  /** Returns the hook for the messages of a caller on a channel; undefined if nobody is asked. */
  readonly hookFor: (channel: string, caller: Pick<Caller, 'principal'>) => Hook | undefined;
  /** Sends ephemeral messages. */
  readonly publishEphemeral: PublishEphemeral;
  /** Checks the permissions of callers. */
  readonly access: Access;
  /** Reports a fault of the hub itself. */
  readonly logDefect: LogDefect;
  /** Reports a request that was refused. */
  readonly logRefusal: (refusal: Refusal, about: About) => void;
  /** Adds to the metric of published messages. */
  readonly published: (count: number) => void;
}

/**
 * Returns the frame that answers a frame of the client. It never throws: a refusal becomes an error frame.
 * @param body text of the client's frame
 * @param isTooFast true if the connection exceeds its rate; then the request is refused
 */
export async function answerMessage(
  sockets: SocketParts,
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
    const answer = await answerTo(sockets, connectionId, parseClientRequest(fields, body));
    return JSON.stringify({ ...answer, ...(id === undefined ? {} : { id }) });
  } catch (error) {
    const refusal = refusalOf(sockets, error, { connection: connectionId, ...about });
    return JSON.stringify({ type: 'error', ...about, ...refusal.toJSON().error });
  }
}

function refusalOf({ logDefect, logRefusal }: SocketParts, error: unknown, about: About): Refusal {
  if (error instanceof Refusal) {
    logRefusal(error, about);
    return error;
  }
  logDefect(error, about);
  return new Refusal('internal', 'the hub failed on this message');
}

/** Returns the channel for the answer. A text that is no pattern is left out, because the answer could exceed the frame limit. */
const channelOf = ({ channel }: Readonly<Record<string, unknown>>) =>
  typeof channel === 'string' && isPattern(channel) ? { channel } : {};

async function answerTo(sockets: SocketParts, connectionId: string, request: ClientRequest): Promise<object> {
  // A ping needs no permission, so without presence it costs no read of the connection.
  if (request.action === 'ping') {
    await noteSeen(sockets.presence, sockets.connections, connectionId);
    return { type: 'pong', connection: connectionId };
  }
  const connection = await sockets.connections.get(connectionId);
  if (!connection) throw new Refusal('unauthorized', 'the hub does not know this connection; open another');
  refuseExpired(connection, sockets.log.clock());
  switch (request.action) {
    case 'subscribe': {
      const { pattern, presence } = request;
      sockets.access.require('subscribe', pattern, connection);
      const arrive = arrivalOf(sockets.presence, pattern, connection, presence);
      const { offset, isClosed } = await subscribe(sockets, connection, request);
      await arrive?.();
      return {
        type: 'subscribed',
        channel: pattern,
        ...(offset ? { offset: formatOffset(offset) } : {}),
        ...(isClosed ? { closed: true } : {}),
        ...(arrive ? { presence: true } : {}),
      };
    }
    case 'unsubscribe':
      await unsubscribe(sockets, connection, request.pattern);
      return { type: 'unsubscribed', channel: request.pattern };
    case 'publish':
      return await publish(sockets, connection, request);
  }
}

async function publish(
  { access, log, publishEphemeral, stampFor, hookFor, published }: SocketParts,
  connection: Connection,
  { append: parsed, key, isEphemeral }: Extract<ClientRequest, { readonly action: 'publish' }>,
): Promise<object> {
  const { channel } = parsed;
  access.require('publish', channel, connection);
  const about = { stamp: stampFor(channel, connection), hook: hookFor(channel, connection) };
  const request = { ...parsed, ...about };
  if (isEphemeral) {
    published(await publishEphemeral(request));
    return { type: 'published', channel };
  }
  const { count, nextOffset } =
    key === undefined
      ? await append(log, request)
      : await appendOnce(log, request, { key, fingerprint: await fingerprintOf(request) });
  published(count);
  return { type: 'published', channel, offset: nextOffset };
}

function refuseExpired({ allowedUntil }: Connection, now: number): void {
  if (allowedUntil !== undefined && allowedUntil <= now)
    throw new Refusal('unauthorized', 'the token of this connection has ended; open another');
}

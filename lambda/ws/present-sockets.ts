/**
 * The presence of sockets (PROTOCOL.md §14): a subscription to a channel enters it, and pings keep the connection there.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { MAX_PRESENCE_DATA_BYTES, PRESENCE_KEPT_MS } from '../../protocol/limits.ts';
import { hasPresence } from '../../protocol/presence.ts';
import { type Recent, recent } from '../hub/bounded-map.ts';
import { isBusy } from '../hub/defects.ts';
import { dataText, enter, seen } from '../hub/presence/members.ts';
import type { Noting } from '../hub/presence/presence-ports.ts';
import type { Connection, ConnectionStore } from '../hub/push/push-ports.ts';
import { settleAll } from '../hub/settle-all.ts';

/** What a process needs for the presence of its sockets. */
export interface SocketPresence extends Noting {
  /** Connection → time of its last ping that was stored by this process. */
  readonly seenAt: Recent<number>;
}

/** The most connections whose pings a process remembers. The ping of a forgotten one is stored again. */
const REMEMBERED = 10_000;

/** Returns an empty memory of pings. */
export const rememberedPings = (): SocketPresence['seenAt'] => recent(REMEMBERED);

/** Pings of a connection that come faster than this are not stored, in milliseconds: a little less than a client pings. */
const PING_STORED_MS = 20_000;

/**
 * Returns the function that notes that a connection has subscribed to a channel; undefined if the channel has no presence.
 * @param said the member `presence` of the frame; undefined without one
 * @throws Refusal bad_request for data on a channel without presence; too_large
 */
export function arrivalOf(
  presence: Noting | undefined,
  channel: string,
  connection: Connection,
  said: unknown,
): (() => Promise<void>) | undefined {
  if (!presence || !hasPresence(presence.patterns, channel)) {
    if (said === undefined) return undefined;
    throw new Refusal('bad_request', 'presence is for a channel that has presence, not here');
  }
  const data = said === undefined ? undefined : dataText(said);
  if (said !== undefined && data === undefined)
    throw new Refusal('too_large', `presence may have ${MAX_PRESENCE_DATA_BYTES} bytes`);
  const { id, principal, until: keptUntil } = connection;
  return async () => {
    const until = shownUntil(connection, presence.clock());
    await enter(presence, channel, { id, principal, transport: 'websocket', data, until, keptUntil });
  };
}

/**
 * Notes a ping in each channel that the connection is in. It costs nothing if this process has stored one a moment ago, and on a hub
 * without presence. While the store is busy it does nothing: the next ping is early enough.
 */
export async function noteSeen(
  presence: SocketPresence | undefined,
  connections: Pick<ConnectionStore, 'get'>,
  id: string,
): Promise<void> {
  if (!presence) return;
  const now = presence.clock();
  if (now - (presence.seenAt.get(id) ?? 0) < PING_STORED_MS) return;
  try {
    const connection = await connections.get(id);
    if (connection) await storePing(presence, connection, now);
    presence.seenAt.set(id, now);
  } catch (error) {
    if (!isBusy(error)) throw error;
  }
}

async function storePing(presence: Noting, connection: Connection, now: number): Promise<void> {
  const { id, subscriptions } = connection;
  const entered = Object.keys(subscriptions).filter((channel) => hasPresence(presence.patterns, channel));
  const until = shownUntil(connection, now);
  await settleAll(entered.map((channel) => seen(presence, channel, id, until)));
}

/** Returns the time until which a connection is shown after it was seen: no longer than its token lasts. */
const shownUntil = ({ until, allowedUntil = until }: Connection, now: number): number =>
  Math.min(now + PRESENCE_KEPT_MS, until, allowedUntil);

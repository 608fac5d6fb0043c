/**
 * Create, find, list, keep alive and delete channels (PROTOCOL.md §6).
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { channelOfPresence } from '../../../protocol/presence.ts';
import { type Hook, reviewed } from '../hook.ts';
import { requireKey } from '../keyed/stream-key.ts';
import {
  aliveUntil,
  type Channel,
  channelNotFound,
  isAlive,
  JSON_MEDIA_TYPE,
  mediaType,
  NO_STREAM,
  newChannel,
  tailOffset,
} from './channel.ts';
import type { ChannelPage, Log, Publishing } from './log-ports.ts';
import { parseMessages, type Stamp, stamped } from './messages.ts';

/** A request to create a channel. */
export interface CreateRequest {
  /** Name of the channel. */
  readonly channel: string;
  /** Content type of its messages. */
  readonly contentType: string;
  /** The JSON Pointers of its key (`parseStreamKey`); undefined for a plain channel. */
  readonly streamKey?: string | undefined;
  /** Seconds without a read or a write after which it expires; undefined for no such limit. */
  readonly ttlSeconds: number | undefined;
  /** Fixed time at which it expires, in RFC 3339; undefined for none. */
  readonly expiresAt: string | undefined;
  /** True for a channel that is closed after its first messages. */
  readonly close: boolean;
  /** The first messages; empty for none. */
  readonly body: Uint8Array;
  /** What the hub adds to each message; absent for nothing. */
  readonly stamp?: Stamp | undefined;
  /** Is asked about the messages before they are stored; absent for nobody. */
  readonly hook?: Hook | undefined;
}

/** The result of a creation. */
export interface Created {
  /** False if the channel existed already with the same configuration. Then its content is not changed. */
  readonly created: boolean;
  /** The channel as it is stored. */
  readonly channel: Channel;
  /** Number of messages that it was created with. */
  readonly count: number;
}

/**
 * Creates the channel with its first messages, or finds it with the same configuration.
 *
 * The messages are written before the channel that makes them reachable. A crash between the two leaves an entry that no reader
 * sees. In the other order it would leave an empty channel, and a retry would answer 200 without the messages.
 * @throws Refusal channel_exists, bad_json, too_large, refused, reserved_member, bad_key, unavailable
 */
export async function create(log: Publishing, request: CreateRequest): Promise<Created> {
  const created = await createOrFind(log, request);
  const { channel } = created;
  // A subscriber may have come before the channel. A channel that is empty and open has nothing to say.
  if (channel.next > channel.origin || channel.closed)
    await log.hint({
      channel: channel.name,
      offset: tailOffset(channel),
      isClosing: channel.closed,
      streamKey: channel.streamKey,
    });
  return created;
}

async function createOrFind(log: Log, request: CreateRequest): Promise<Created> {
  const now = log.clock();
  const { channel: name, contentType, streamKey, ttlSeconds, expiresAt } = request;
  const empty = newChannel(log, { name, contentType, streamKey, ttlSeconds, expiresAt }, now);
  const wanted = { ...empty, closed: request.close };
  const existing = await log.channels.get(name);
  if (existing && isAlive(existing, now)) return sameOrRefuse(existing, wanted);

  const asked = await reviewed(request, parseMessages(contentType, request.body));
  const messages = stamped(asked, request.stamp, now);
  requireKey(streamKey, messages);
  const channel = { ...wanted, next: wanted.origin + (messages.length > 0 ? 1 : 0) };
  if (messages.length > 0) {
    const entry = {
      slot: channel.origin,
      messages,
      id: log.newId(),
      time: now,
      expiresAt: now + log.retentionMs,
    };
    await log.entries.put(channel.streamId, entry);
  }
  if (await log.channels.create(channel, now)) return { created: true, channel, count: messages.length };
  const winner = await log.channels.get(request.channel);
  if (!winner) throw new Refusal('unavailable', 'the channel was created and deleted meanwhile; retry');
  return sameOrRefuse(winner, channel);
}

function sameOrRefuse(existing: Channel, wanted: Channel): Created {
  const same =
    mediaType(existing.contentType) === mediaType(wanted.contentType) &&
    existing.streamKey === wanted.streamKey &&
    existing.closed === wanted.closed &&
    existing.ttlSeconds === wanted.ttlSeconds &&
    instant(existing.expiresAt) === instant(wanted.expiresAt);
  if (!same)
    throw new Refusal(
      'channel_exists',
      'the channel exists with another content type, key or lifetime, or is closed and should not be',
    );
  return { created: false, channel: existing, count: 0 };
}

const instant = (time: string | undefined): number | undefined =>
  time === undefined ? undefined : Date.parse(time);

/**
 * Returns the channel of a name. In implicit mode, a name without a channel reads as an empty JSON channel, so that a subscriber may
 * come before the publisher.
 * @throws Refusal channel_not_found in explicit mode
 */
export async function find(log: Log, name: string): Promise<Channel> {
  const now = log.clock();
  const channel = await log.channels.get(name);
  if (channel && isAlive(channel, now)) return channel;
  // Only the hub creates presence channels, and readers may come before the first member.
  const mustExist = log.channelCreation === 'explicit' && channelOfPresence(name) === undefined;
  if (mustExist) throw channelNotFound();
  const contentType = JSON_MEDIA_TYPE;
  const unpublished = newChannel(
    log,
    { name, contentType, ttlSeconds: undefined, expiresAt: undefined },
    now,
  );
  return { ...unpublished, streamId: NO_STREAM, next: 0, origin: 0, floor: 0 };
}

/** Returns a page of the channels below a prefix that have not expired. @throws Refusal unavailable */
export async function list(
  log: Pick<Log, 'channels' | 'clock'>,
  prefix: string,
  after: string | undefined,
  most: number,
): Promise<ChannelPage> {
  const page = await log.channels.list(prefix, after, most);
  const now = log.clock();
  return { ...page, channels: page.channels.filter((channel) => isAlive(channel, now)) };
}

/** Restarts the idle time of a channel with a TTL. For other channels it writes nothing. */
export async function keepAlive(log: Log, channel: Channel): Promise<void> {
  if (channel.ttlSeconds === undefined) return;
  const now = log.clock();
  const until = aliveUntil(channel, now);
  if (until !== undefined) await log.channels.touch(channel, until, now);
}

/**
 * Deletes the channel.
 * @param before is called with the channel before it is deleted
 * @throws Refusal channel_not_found
 */
export async function remove(
  log: Log,
  name: string,
  before: (channel: Channel) => Promise<void> = async () => {},
): Promise<void> {
  const channel = await log.channels.get(name);
  if (!channel || !isAlive(channel, log.clock())) throw channelNotFound();
  await before(channel);
  // The store compares the stream: a deletion that is carried out late must not delete a new channel of the name.
  await log.channels.remove(channel);
}

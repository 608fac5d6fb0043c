/**
 * Create, find, keep alive and delete a channel (PROTOCOL.md §6).
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import {
  aliveUntil,
  type Channel,
  channelNotFound,
  isAlive,
  JSON_MEDIA_TYPE,
  mediaType,
  newChannel,
  tailOffset,
} from './channel.ts';
import type { Log, Publishing } from './log-ports.ts';
import { parseMessages } from './messages.ts';

export interface CreateRequest {
  readonly channel: string;
  readonly contentType: string;
  readonly ttlSeconds: number | undefined;
  readonly expiresAt: string | undefined;
  /** True for a channel that is complete with its first messages. */
  readonly close: boolean;
  /** The first messages, if any. */
  readonly body: Uint8Array;
}

export interface Created {
  /** False if the channel was there already, as asked for. Its content is then untouched. */
  readonly created: boolean;
  readonly channel: Channel;
  /** How many messages it was created with. */
  readonly count: number;
}

/**
 * Creates the channel with its first messages, or finds it there with the same configuration.
 *
 * The messages are written BEFORE the channel that makes them reachable: a crash between the two leaves an entry that
 * nobody can see, where the other order would leave a channel whose retried creation answers 200 without its content.
 * @throws Refusal channel_exists, bad_json, too_large, unavailable
 */
export async function create(log: Publishing, request: CreateRequest): Promise<Created> {
  const created = await createOrFind(log, request);
  const { channel } = created;
  // Somebody may have subscribed before there was a channel; nobody is told of an empty one.
  if (channel.next > channel.origin || channel.closed)
    await log.hint({ channel: channel.name, offset: tailOffset(channel), isClosing: channel.closed });
  return created;
}

async function createOrFind(log: Log, request: CreateRequest): Promise<Created> {
  const now = log.clock();
  const { channel: name, contentType, ttlSeconds, expiresAt } = request;
  const empty = newChannel(log, { name, contentType, ttlSeconds, expiresAt }, now);
  const wanted = { ...empty, closed: request.close };
  const existing = await log.channels.get(name);
  if (existing && isAlive(existing, now)) return sameOrRefuse(existing, wanted);

  const messages = parseMessages(contentType, request.body);
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
    existing.closed === wanted.closed &&
    existing.ttlSeconds === wanted.ttlSeconds &&
    instant(existing.expiresAt) === instant(wanted.expiresAt);
  if (!same)
    throw new Refusal(
      'channel_exists',
      'the channel exists with another content type or lifetime, or is closed and should not be',
    );
  return { created: false, channel: existing, count: 0 };
}

const instant = (time: string | undefined): number | undefined =>
  time === undefined ? undefined : Date.parse(time);

/**
 * The channel that a reader sees under a name. In implicit mode a name that nobody has published to yet reads as an
 * empty JSON channel, so that a subscriber may come before the publisher.
 * @throws Refusal channel_not_found in explicit mode
 */
export async function find(log: Log, name: string): Promise<Channel> {
  const now = log.clock();
  const channel = await log.channels.get(name);
  if (channel && isAlive(channel, now)) return channel;
  if (log.channelCreation === 'explicit') throw channelNotFound();
  const contentType = JSON_MEDIA_TYPE;
  const nobodys = newChannel(log, { name, contentType, ttlSeconds: undefined, expiresAt: undefined }, now);
  return { ...nobodys, streamId: 'none', next: 0, origin: 0, floor: 0 };
}

/** Restarts the idle time of a channel with a TTL. For other channels it writes nothing. */
export async function keepAlive(log: Log, channel: Channel): Promise<void> {
  if (channel.ttlSeconds === undefined) return;
  const now = log.clock();
  const until = aliveUntil(channel, now);
  if (until !== undefined) await log.channels.touch(channel, until, now);
}

/** @throws Refusal channel_not_found */
export async function remove(log: Log, name: string): Promise<void> {
  const channel = await log.channels.get(name);
  if (!channel || !isAlive(channel, log.clock())) throw channelNotFound();
  // By its stream: a deletion that is carried out late must not take a new channel of the name along.
  await log.channels.remove(channel);
}

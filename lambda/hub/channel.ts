/**
 * A channel: the head of a log, and when it is alive.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { formatOffset } from '../../protocol/offset.ts';
import type { Log } from './ports.ts';
import type { Producer, ProducerMarks } from './producer.ts';

export const JSON_MEDIA_TYPE = 'application/json';
/** What a channel is whose creator did not say (Durable Streams §5.1). */
export const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

export interface Channel {
  readonly name: string;
  /** A new one each time that the name is created, so that no entry of a former life can show up. */
  readonly streamId: string;
  /** As its creator wrote it; compared by media type. */
  readonly contentType: string;
  /** The first slot that no publish has claimed. */
  readonly next: number;
  readonly createdAt: number;
  /** When the last slot was claimed, in milliseconds; creation if none was. */
  readonly claimedAt: number;
  /** Until when nothing can have left the log, by the retention at creation, in milliseconds. */
  readonly keptUntil: number;
  /** The last Stream-Seq that was accepted. */
  readonly lastSeq: string | undefined;
  /** True once nothing can be appended any more. */
  readonly closed: boolean;
  /** The producer's publish that closed the channel, if one did. */
  readonly closedBy: Producer | undefined;
  /** What is remembered of idempotent producers. */
  readonly producers: ProducerMarks;
  /** Sliding: seconds without a read or write after which the channel expires. */
  readonly ttlSeconds: number | undefined;
  /** Fixed: the RFC 3339 time at which the channel expires, as its creator wrote it. */
  readonly expiresAt: string | undefined;
  /** The instant from which the channel is no more, in milliseconds; undefined for one that stays. */
  readonly aliveUntil: number | undefined;
}

export function isAlive(channel: Channel, now: number): boolean {
  return channel.aliveUntil === undefined || channel.aliveUntil > now;
}

/** `Application/JSON; charset=utf-8` → `application/json`: what decides whether two content types are the same. */
export function mediaType(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

export const isJson = (contentType: string): boolean => mediaType(contentType) === JSON_MEDIA_TYPE;

/** A channel as it is at its creation. */
export function newChannel(
  log: Pick<Log, 'newId' | 'retentionMs'>,
  wanted: Pick<Channel, 'name' | 'contentType' | 'ttlSeconds' | 'expiresAt'>,
  now: number,
): Channel {
  const born = {
    createdAt: now,
    claimedAt: now,
    keptUntil: now + log.retentionMs,
    aliveUntil: aliveUntil(wanted, now),
  };
  const { name, contentType, ttlSeconds, expiresAt } = wanted;
  const blank = { next: 0, lastSeq: undefined, closed: false, closedBy: undefined, producers: {} };
  return { name, contentType, ttlSeconds, expiresAt, streamId: log.newId(), ...blank, ...born };
}

/** When a channel of that lifetime ends, in milliseconds, if nobody uses it after `now`; undefined for never. */
export function aliveUntil(
  lifetime: Pick<Channel, 'ttlSeconds' | 'expiresAt'>,
  now: number,
): number | undefined {
  if (lifetime.ttlSeconds !== undefined) return now + lifetime.ttlSeconds * 1_000;
  return lifetime.expiresAt === undefined ? undefined : Date.parse(lifetime.expiresAt);
}

/** Restarts the idle time of a channel with a TTL. Others cost no write. */
export async function keepAlive(log: Log, channel: Channel): Promise<void> {
  if (channel.ttlSeconds === undefined) return;
  const until = aliveUntil(channel, log.clock());
  if (until !== undefined) await log.channels.touch(channel, until);
}

/** The offset after everything that was ever claimed in the channel. */
export function tailOffset(channel: Channel): string {
  return formatOffset({ entry: channel.next, index: 0 });
}

export function channelNotFound(): Refusal {
  return new Refusal('channel_not_found', 'no such channel');
}

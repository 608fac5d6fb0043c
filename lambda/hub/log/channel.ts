/**
 * A channel: the head of a log, and when it is alive.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { formatOffset } from '../../../protocol/offset.ts';
import type { ProducerMarks } from './producer.ts';

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
  /** The first slot of this life of the name. */
  readonly origin: number;
  /** The first slot of the current era: nothing below it can be read any more (retention.ts). */
  readonly floor: number;
  /** When the era began, in milliseconds. */
  readonly floorAt: number;
  /** Until when nothing of the era can have left the log, by the retention when it began, in milliseconds. */
  readonly keptUntil: number;
  /** When the last slot was claimed, in milliseconds; creation if none was. */
  readonly claimedAt: number;
  /** The last Stream-Seq that was accepted, and the slot that its publish claimed. */
  readonly lastSeq: string | undefined;
  readonly lastSeqSlot: number | undefined;
  /** True once nothing can be appended any more. */
  readonly closed: boolean;
  /** The id of the publish that closed the channel. */
  readonly closedBy: string | undefined;
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
  { newId, retentionMs }: { readonly newId: () => string; readonly retentionMs: number },
  wanted: Pick<Channel, 'name' | 'contentType' | 'ttlSeconds' | 'expiresAt'>,
  now: number,
): Channel {
  const origin = originAt(now);
  const { name, contentType, ttlSeconds, expiresAt } = wanted;
  return {
    name,
    streamId: newId(),
    contentType,
    next: origin,
    origin,
    floor: origin,
    floorAt: now,
    keptUntil: now + retentionMs,
    claimedAt: now,
    lastSeq: undefined,
    lastSeqSlot: undefined,
    closed: false,
    closedBy: undefined,
    producers: {},
    ttlSeconds,
    expiresAt,
    aliveUntil: aliveUntil(wanted, now),
  };
}

/** Slot numbers of a new life begin at its age of the hub's era in milliseconds: twelve digits last until 2051. */
const FIRST_YEAR = Date.UTC(2020, 0, 1);

/**
 * The first slot of a life that begins now. A channel cannot take a publish every millisecond, so it is above every
 * slot of a former life of the name, and an offset of that life is known as such instead of skipping messages of this.
 */
function originAt(now: number): number {
  return Math.max(1, now - FIRST_YEAR);
}

/** When a channel of that lifetime ends, in milliseconds, if nobody uses it after `now`; undefined for never. */
export function aliveUntil(
  lifetime: Pick<Channel, 'ttlSeconds' | 'expiresAt'>,
  now: number,
): number | undefined {
  if (lifetime.ttlSeconds !== undefined) return now + lifetime.ttlSeconds * 1_000;
  return lifetime.expiresAt === undefined ? undefined : Date.parse(lifetime.expiresAt);
}

/** The offset after everything that was ever claimed in the channel. */
export function tailOffset(channel: Channel): string {
  return formatOffset({ entry: channel.next, index: 0 });
}

export function channelNotFound(): Refusal {
  return new Refusal('channel_not_found', 'no such channel');
}

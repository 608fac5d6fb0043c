/**
 * The state of a channel, and for how long the channel lives.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import {
  EMPTY_POLL_AFTER_SECONDS,
  MAX_POLL_AFTER_SECONDS,
  MIN_POLL_AFTER_SECONDS,
} from '../../../protocol/limits.ts';
import { formatOffset } from '../../../protocol/offset.ts';
import type { ProducerMarks } from './producer.ts';

/** The media type whose messages are JSON texts. */
export const JSON_MEDIA_TYPE = 'application/json';
/** The content type of a channel whose creator named none (Durable Streams §5.1). */
export const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

/** The stream of a channel that does not exist, for readers that come before it. */
export const NO_STREAM = 'none';

/** The stored state of a channel. */
export interface Channel {
  /** The name by which callers know it. */
  readonly name: string;
  /** New each time that a channel of the name is created, so that no entry of a former channel can appear. */
  readonly streamId: string;
  /** As its creator wrote it. Comparisons use the media type. */
  readonly contentType: string;
  /** The JSON Pointers of its key (PROTOCOL.md §4.8), separated by commas; undefined for a plain channel. */
  readonly streamKey: string | undefined;
  /** The first slot that no publish has claimed. */
  readonly next: number;
  /** The first slot of this life of the channel. */
  readonly origin: number;
  /** The first slot of the current epoch: nothing below it can be read (retention.ts). */
  readonly floor: number;
  /** Time at which the epoch began, in milliseconds since 1970. */
  readonly floorAt: number;
  /** Time until which nothing of the epoch has left the log, by the retention when it began, in milliseconds since 1970. */
  readonly keptUntil: number;
  /** Time at which the last slot was claimed, or else the channel was created, in milliseconds since 1970. */
  readonly claimedAt: number;
  /** The last Stream-Seq that was accepted. */
  readonly lastSeq: string | undefined;
  /** The slot that the publish with `lastSeq` claimed. */
  readonly lastSeqSlot: number | undefined;
  /** True if nothing can be appended any more. */
  readonly closed: boolean;
  /** The id of the publish that closed the channel. */
  readonly closedBy: string | undefined;
  /** The state of idempotent producers (producer.ts). */
  readonly producers: ProducerMarks;
  /** Seconds without a read or a write after which the channel expires. */
  readonly ttlSeconds: number | undefined;
  /** The fixed time at which the channel expires, in RFC 3339 as its creator wrote it. */
  readonly expiresAt: string | undefined;
  /** Time at which the channel expires, in milliseconds since 1970; undefined if it does not. */
  readonly aliveUntil: number | undefined;
}

/** Returns true if the channel has not expired. */
export function isAlive(channel: Channel, now: number): boolean {
  return channel.aliveUntil === undefined || channel.aliveUntil > now;
}

/** Returns the media type, by which content types are compared: `Application/JSON; charset=utf-8` → `application/json`. */
export function mediaType(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/** Returns true if messages of the content type are JSON. */
export const isJson = (contentType: string): boolean => mediaType(contentType) === JSON_MEDIA_TYPE;

/** Returns a channel as it is at its creation. @param now milliseconds since 1970 */
export function newChannel(
  { newId, retentionMs }: { readonly newId: () => string; readonly retentionMs: number },
  wanted: Pick<Channel, 'name' | 'contentType' | 'ttlSeconds' | 'expiresAt'> &
    Partial<Pick<Channel, 'streamKey'>>,
  now: number,
): Channel {
  const origin = originAt(now);
  const { name, contentType, streamKey, ttlSeconds, expiresAt } = wanted;
  return {
    name,
    streamId: newId(),
    contentType,
    streamKey,
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

/** Slot numbers of a new channel begin with the milliseconds since then. They have twelve digits until 2051. */
const FIRST_YEAR = Date.UTC(2020, 0, 1);

/**
 * Returns the first slot of a channel that is created now. A channel takes less than one publish each millisecond, so this is above
 * every slot of a former channel of the name. An offset of a former channel is known as such, and skips no message of this one.
 */
function originAt(now: number): number {
  return Math.max(1, now - FIRST_YEAR);
}

/** Returns the time at which a channel expires if it is not used after `now`, in milliseconds since 1970; undefined for never. */
export function aliveUntil(
  lifetime: Pick<Channel, 'ttlSeconds' | 'expiresAt'>,
  now: number,
): number | undefined {
  if (lifetime.ttlSeconds !== undefined) return now + lifetime.ttlSeconds * 1_000;
  return lifetime.expiresAt === undefined ? undefined : Date.parse(lifetime.expiresAt);
}

/** Returns the offset after every slot that was claimed in the channel. */
export function tailOffset(channel: Channel): string {
  return formatOffset({ entry: channel.next, index: 0 });
}

/** A reader that polls waits for this part of the time for which the channel has been silent. */
const SILENCE_PER_POLL = 10;

/**
 * Returns after how many seconds a reader at the end should ask again. A channel that has been silent for long mostly stays silent for
 * long, so a reader waits for a tenth of the silence: it makes few empty requests, and hears of the next message early. The channel has
 * the time of its last publish already, so this costs no call.
 * @param now milliseconds since 1970
 */
export function pollAfterSeconds({ next, origin, claimedAt }: Channel, now: number): number {
  if (next === origin) return EMPTY_POLL_AFTER_SECONDS;
  const seconds = Math.ceil((now - claimedAt) / 1_000 / SILENCE_PER_POLL);
  return Math.min(MAX_POLL_AFTER_SECONDS, Math.max(MIN_POLL_AFTER_SECONDS, seconds));
}

/** Returns the refusal for a channel that does not exist. */
export function channelNotFound(): Refusal {
  return new Refusal('channel_not_found', 'no such channel');
}

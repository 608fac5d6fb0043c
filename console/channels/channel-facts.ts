/**
 * What the hub says about a channel (PROTOCOL.md §6): its content type, its key, and how long it lives.
 * @module
 */
import { TidingsError } from '../../client/errors.ts';
import { STREAM_EXPIRES_AT, STREAM_KEY, STREAM_TTL } from '../../protocol/headers.ts';
import { request } from '../session.ts';

/** A channel that exists. */
export interface ChannelFacts {
  /** Its content type. */
  readonly contentType: string;
  /** The JSON Pointers of its key, as the hub keeps them. Undefined if it is not keyed. */
  readonly streamKey: string | undefined;
  /** The seconds that it lives after its last use. Undefined if it stays. */
  readonly ttlSeconds: string | undefined;
  /** The time at which it ends, in RFC 3339. Undefined if it stays. */
  readonly expiresAt: string | undefined;
}

const NOT_FOUND = 404;

/** Returns the facts; undefined for a channel that does not exist. @throws TidingsError */
export async function describeChannel(token: string, channel: string): Promise<ChannelFacts | undefined> {
  try {
    const { headers } = await request(token, `/channels/${channel}`, { method: 'HEAD' });
    return {
      contentType: headers.get('Content-Type') ?? 'application/json',
      streamKey: headers.get(STREAM_KEY) ?? undefined,
      ttlSeconds: headers.get(STREAM_TTL) ?? undefined,
      expiresAt: headers.get(STREAM_EXPIRES_AT) ?? undefined,
    };
  } catch (error) {
    // The answer to HEAD has no body, so it has no code.
    if (error instanceof TidingsError && error.status === NOT_FOUND) return undefined;
    throw error;
  }
}

/** Creates a channel with a key. @param streamKey JSON Pointers, separated by commas @throws TidingsError */
export async function createKeyedChannel(token: string, channel: string, streamKey: string): Promise<void> {
  const headers = { 'Content-Type': 'application/json', [STREAM_KEY]: streamKey };
  await request(token, `/channels/${channel}`, { method: 'PUT', headers });
}

/** True if the messages of the channel are JSON. A channel that does not exist begins as one. */
export const isJson = (facts: ChannelFacts | undefined): boolean =>
  facts === undefined || facts.contentType.startsWith('application/json');

/**
 * Publishes on a keyed channel of the hub itself, such as those of presence.
 * @module
 */
import { type Appended, append } from '../log/append.ts';
import { JSON_MEDIA_TYPE } from '../log/channel.ts';
import type { Publishing } from '../log/log-ports.ts';

/** Messages of the hub for one of its own keyed channels. */
export interface KeyedPublish {
  /** The name of the channel. */
  readonly channel: string;
  /** The key of the channel, as `parseStreamKey` returns it. */
  readonly streamKey: string;
  /** The messages: JSON objects with the key. */
  readonly messages: readonly object[];
}

/**
 * Appends the messages as one entry. The first publish creates the channel with the key, also where channels must be created
 * explicitly: a client cannot create it. It costs what every publish costs.
 * @throws Refusal bad_key, too_large, unavailable
 */
export async function publishKeyed(
  log: Publishing,
  { channel, streamKey, messages }: KeyedPublish,
): Promise<Appended> {
  return await append(
    { ...log, channelCreation: 'implicit' },
    {
      channel,
      contentType: JSON_MEDIA_TYPE,
      streamKey,
      seq: undefined,
      close: false,
      producer: undefined,
      body: new TextEncoder().encode(JSON.stringify(messages)),
    },
  );
}

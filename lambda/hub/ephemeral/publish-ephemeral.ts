/**
 * Accepts ephemeral messages (PROTOCOL.md §4.7). Nothing is written: the messages go to the push, which posts them once.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { MAX_EPHEMERAL_BYTES } from '../../../protocol/limits.ts';
import { recent } from '../bounded-map.ts';
import { type Hook, reviewed } from '../hook.ts';
import { type Channel, channelNotFound, isAlive, isJson } from '../log/channel.ts';
import { channelClosed } from '../log/claim.ts';
import type { Messages } from '../log/entry.ts';
import type { Log } from '../log/log-ports.ts';
import { parseMessages, type Stamp, stamped } from '../log/messages.ts';

/** A request to send ephemeral messages. */
export interface EphemeralRequest {
  /** Name of the channel. */
  readonly channel: string;
  /** The content type of the body; undefined if the request has none. */
  readonly contentType: string | undefined;
  /** The body: one message, or a batch. */
  readonly body: Uint8Array;
  /** What the hub adds to each message; absent for nothing. */
  readonly stamp?: Stamp | undefined;
  /** Is asked about the messages before they are sent; absent for nobody. */
  readonly hook?: Hook | undefined;
}

/** Messages of one publish on their way to the push. */
export interface OutgoingEphemeral {
  /** Name of the channel. */
  readonly channel: string;
  /** Unique. A message that the queue delivers twice has the same id. */
  readonly id: string;
  /** Time of the publish, in milliseconds since 1970. */
  readonly at: number;
  /** JSON texts as they were published. */
  readonly messages: readonly string[];
}

/** Sends messages to the push, in one attempt: a second one could send them twice. @throws Refusal unavailable */
export type SendEphemeral = (outgoing: OutgoingEphemeral) => Promise<void>;

/**
 * Sends the messages of a request. Returns their number.
 * @throws Refusal bad_content_type, empty_body, bad_json, too_large, refused, reserved_member, channel_not_found, channel_closed,
 *   unavailable
 */
export type PublishEphemeral = (request: EphemeralRequest) => Promise<number>;

/**
 * How long a process relies on what it has read of a channel, in milliseconds. A read for each message would cost as much as a fifth
 * of sending it.
 */
const CHANNEL_KNOWN_MS = 10_000;

/** Channels that a process remembers. The item of a channel may have 50 KB of producers. */
const CHANNELS_REMEMBERED = 1_000;

interface Known {
  readonly channel: Channel | undefined;
  /** Time of the read, in milliseconds since 1970. */
  readonly at: number;
}

/** Returns the function that sends ephemeral messages. */
export function ephemeralPublisher(
  log: Pick<Log, 'channels' | 'clock' | 'newId' | 'channelCreation'>,
  send: SendEphemeral,
): PublishEphemeral {
  const known = recent<Known>(CHANNELS_REMEMBERED);

  async function channelOf(name: string): Promise<Channel | undefined> {
    const at = log.clock();
    const last = known.get(name);
    if (last && Math.abs(at - last.at) < CHANNEL_KNOWN_MS) return last.channel;
    const channel = await log.channels.get(name);
    known.set(name, { channel, at });
    return channel;
  }

  /** Refuses messages that no reader of the channel could take. */
  async function refuseUnfit(name: string): Promise<void> {
    const channel = await channelOf(name);
    if (!channel || !isAlive(channel, log.clock())) {
      if (log.channelCreation === 'explicit') throw channelNotFound();
      return;
    }
    if (channel.closed) throw channelClosed(channel);
    if (!isJson(channel.contentType)) throw notJson(`the channel is ${channel.contentType}`);
  }

  return async (request) => {
    const { channel, stamp, hook } = request;
    const parsed = parsedOf(request);
    const came = log.clock();
    const own = hook ? undefined : fitting(parsed, stamp, came);
    await refuseUnfit(channel);
    // The push drops what is old, and the hook may take its time.
    const messages = own ?? fitting(await reviewed(request, parsed), stamp, log.clock());
    const at = own ? came : log.clock();
    await send({ channel, id: log.newId(), at, messages });
    return messages.length;
  };
}

const notJson = (what: string): Refusal =>
  new Refusal('bad_content_type', `${what}, and ephemeral messages are application/json`);

function parsedOf({ contentType = '', body }: EphemeralRequest): Messages {
  if (!isJson(contentType)) throw notJson(`the message is ${contentType}`);
  return parseMessages(contentType, body);
}

function fitting(parsed: Messages, stamp: Stamp | undefined, now: number): readonly string[] {
  const all = stamped(parsed, stamp, now);
  const messages = all.filter((message) => typeof message === 'string');
  if (messages.length === 0) throw new Refusal('empty_body', 'the body holds no message');
  const bytes = new TextEncoder().encode(messages.join(',')).byteLength;
  if (bytes <= MAX_EPHEMERAL_BYTES) return messages;
  throw new Refusal(
    'too_large',
    `the ephemeral messages of a request may be ${MAX_EPHEMERAL_BYTES} bytes together, got ${bytes}`,
  );
}

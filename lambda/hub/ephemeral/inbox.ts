/**
 * Ephemeral messages in a process that holds streams (PROTOCOL.md §4.7): from its wake socket to the streams that follow the channel.
 * @module
 */
import { elementsOf, memberText } from '../log/messages.ts';

/** Messages of one channel, as they were published. */
export interface EphemeralNews {
  /** Name of the channel. */
  readonly channel: string;
  /** JSON texts. */
  readonly messages: readonly string[];
}

/** The wake socket of a process, by which ephemeral messages come. */
export interface EphemeralSocket {
  /** Calls back for all ephemeral messages. */
  listenEphemeral(hear: (news: EphemeralNews) => void): void;
}

/** What has come for one stream, and was not written yet. */
export interface Inbox {
  /** Returns the oldest messages that were not taken; undefined if there are none. */
  take(): EphemeralNews | undefined;
  /** Ends when there is something to take. */
  wait(): Promise<undefined>;
  /** Takes no more. */
  close(): void;
}

/** Opens inboxes. Each gets what comes on its channels from then on. */
export type OpenInbox = (channels: readonly string[]) => Inbox;

/**
 * Frames that wait for a stream whose reader is slow. When one more comes the oldest is dropped. With frames of up to 32 KB this is 256 KB
 * for each stream.
 */
export const MOST_WAITING = 8;

/** Returns the messages in a frame of the push; undefined for any other frame. @param text of the frame, in which messages are as published */
export function parseEphemeral(
  frame: Readonly<Record<string, unknown>>,
  text: string,
): EphemeralNews | undefined {
  const { type, channel, messages } = frame;
  if (type !== 'ephemeral' || typeof channel !== 'string' || !Array.isArray(messages)) return undefined;
  return { channel, messages: elementsOf(memberText(text, 'messages')) };
}

/** Returns a function that opens inboxes for what comes by a wake socket. */
export function inboxesOf(wakeSocket: EphemeralSocket): OpenInbox {
  const open = new Map<string, Set<(news: EphemeralNews) => void>>();
  wakeSocket.listenEphemeral((news) => {
    for (const put of open.get(news.channel) ?? []) put(news);
  });
  return (channels) => {
    let waiting: EphemeralNews[] = [];
    let wake = (): void => {};
    const put = (news: EphemeralNews): void => {
      waiting = [...waiting, news].slice(-MOST_WAITING);
      wake();
    };
    for (const channel of channels) open.set(channel, (open.get(channel) ?? new Set()).add(put));
    return {
      take: () => waiting.shift(),
      wait: () =>
        new Promise((resolve) => {
          wake = () => resolve(undefined);
          if (waiting.length > 0) wake();
        }),
      close() {
        for (const channel of channels) {
          const puts = open.get(channel);
          puts?.delete(put);
          if (puts?.size === 0) open.delete(channel);
        }
      },
    };
  };
}

/** A step of a stream, or messages that came in between. */
export type Interleaved<T> = { readonly step: T } | { readonly news: EphemeralNews };

/** Yields the steps of a stream, and between them what is in the inbox. It ends with the steps, and closes the inbox. */
export async function* interleaved<T>(
  steps: AsyncGenerator<T>,
  inbox: Inbox,
): AsyncGenerator<Interleaved<T>> {
  try {
    for (let next = steps.next(); ; ) {
      const result = await Promise.race([next, inbox.wait()]);
      if (result?.done) return;
      if (result) {
        yield { step: result.value };
        next = steps.next();
      }
      const news = inbox.take();
      if (news) yield { news };
    }
  } finally {
    inbox.close();
    void steps.return(undefined);
  }
}

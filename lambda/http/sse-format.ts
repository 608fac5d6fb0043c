/**
 * Server-Sent Events: the two framings of one stream of batches (PROTOCOL.md §5.2).
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 * @module
 */
import { MAX_RECONNECT_MS, MIN_RECONNECT_MS } from '../../protocol/limits.ts';
import { formatOffset, type Position } from '../../protocol/offset.ts';
import type { Held } from '../hub/hold/held-read.ts';
import { type Channel, isJson, mediaType } from '../hub/log/channel.ts';
import type { ReadResult } from '../hub/log/read-log.ts';
import { bodyOf } from './answer-channel.ts';

/** Events carry text: whatever does not promise to be text is sent as base64. */
export function isText(contentType: string): boolean {
  return isJson(contentType) || mediaType(contentType).startsWith('text/');
}

export const HEARTBEAT = ': \n\n';

/**
 * An event of a payload. Each of its lines becomes a data line, whatever ends it: a payload with a blank line in it
 * must not be able to end the event and begin one of its own. One space after the colon is not part of the line, so a
 * line that begins with one gets another; the conformance suite wants none where none is needed.
 */
function event(fields: string, payload: string): string {
  const data = payload.split(/\r\n|\r|\n/).map((line) => `data:${line.startsWith(' ') ? ' ' : ''}${line}\n`);
  return `${fields}${data.join('')}\n`;
}

/** The Durable Streams framing: a data event per batch, and a control event that says where the reader is. */
export function protocolFrames({ channel, result }: Held, cursor: string): string {
  const data = result.messages.length > 0 ? event('event: data\n', textOf(channel, result)) : '';
  const control = {
    streamNextOffset: formatOffset(result.next),
    ...(result.closed ? { streamClosed: true } : { streamCursor: cursor }),
    ...(result.upToDate ? { upToDate: true } : {}),
  };
  return `${data}${event('event: control\n', JSON.stringify(control))}`;
}

function textOf(channel: Channel, result: ReadResult): string {
  const body = Buffer.from(bodyOf(channel, result.messages));
  return body.toString(isText(channel.contentType) ? 'utf8' : 'base64');
}

/**
 * How every stream in the browser's framing begins: it opens the EventSource before there is any message, and an id
 * without data makes a reader that began at "now" come back to that moment, not to a later now.
 * @param random from 0 to 1, without 1
 */
export function browserPreamble(id: string, random: () => number): string {
  const retryMs = MIN_RECONNECT_MS + Math.floor(random() * (MAX_RECONNECT_MS - MIN_RECONNECT_MS + 1));
  return `retry: ${retryMs}\nid: ${id}\n\n`;
}

/** The browser's framing: an unnamed event per message, with the offset after it as its id. */
export function browserFrames({ channel, result }: Held): string {
  return messagesWithOffsets(result)
    .map(({ message, next }) => event(`id: ${formatOffset(next)}\n`, messageText(channel, message)))
    .join('');
}

/** One message as text: JSON as it was published, text as it is, other bytes as base64. */
export function messageText(channel: Channel, message: string | Uint8Array): string {
  if (typeof message === 'string') return message;
  return Buffer.from(message).toString(isText(channel.contentType) ? 'utf8' : 'base64');
}

/** Each message of a batch with the position after it. */
export function messagesWithOffsets({
  entries,
}: ReadResult): { message: string | Uint8Array; next: Position }[] {
  return entries.flatMap(({ slot, first, messages }) =>
    messages.map((message, at) => {
      const isLast = at === messages.length - 1;
      return {
        message,
        next: isLast ? { entry: slot + 1, index: 0 } : { entry: slot, index: first + at + 1 },
      };
    }),
  );
}

/**
 * Formats Server-Sent Events: two framings of the same batches (PROTOCOL.md §5.2).
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 * @module
 */
import { MAX_RECONNECT_MS, MIN_RECONNECT_MS } from '../../../protocol/limits.ts';
import { formatOffset, type Position } from '../../../protocol/offset.ts';
import type { Held } from '../../hub/hold/held-read.ts';
import { type Channel, isJson, mediaType } from '../../hub/log/channel.ts';
import { positionAfter, type ReadResult } from '../../hub/log/read-log.ts';
import { bodyOf } from '../answer-channel.ts';

/** Returns true for a type that is text. Events carry text, so other types are sent as base64. */
export function isText(contentType: string): boolean {
  return isJson(contentType) || mediaType(contentType).startsWith('text/');
}

/** A comment, which clients ignore. It keeps proxies from closing a silent connection. */
export const HEARTBEAT = ': \n\n';

/**
 * Returns an event. Each line of the payload becomes a data line, whichever characters end it: a payload with a blank line
 * must not end the event and begin another one. A parser removes one space after the colon, so a line that begins with a
 * space gets another one. The conformance suite wants no space where none is needed.
 */
function event(fields: string, payload: string): string {
  const data = payload.split(/\r\n|\r|\n/).map((line) => `data:${line.startsWith(' ') ? ' ' : ''}${line}\n`);
  return `${fields}${data.join('')}\n`;
}

/** Returns the framing of Durable Streams: a data event for each batch, and a control event with the next offset. */
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
 * Returns the begin of a stream in the browser's framing. It opens the EventSource before the first message. The id without
 * data makes a reader that began at "now" reconnect at that offset, and not at a later "now".
 * @param random returns at least 0 and less than 1
 */
export function browserPreamble(id: string, random: () => number): string {
  const retryMs = MIN_RECONNECT_MS + Math.floor(random() * (MAX_RECONNECT_MS - MIN_RECONNECT_MS + 1));
  return `retry: ${retryMs}\nid: ${id}\n\n`;
}

/** Returns the browser's framing: an unnamed event for each message, with the offset after the message as its id. */
export function browserFrames({ channel, result }: Held): string {
  return messagesWithOffsets(result)
    .map(({ message, next }) => event(`id: ${formatOffset(next)}\n`, messageText(channel, message)))
    .join('');
}

/**
 * Returns the event of an ephemeral message, in the browser's framing. It has no id: a reader comes back at the offset of the last
 * message of the log. @param data JSON
 */
export const ephemeralFrame = (data: string): string => event('event: ephemeral\n', data);

/** Returns a message as text: JSON as published, text unchanged, other bytes as base64. */
export function messageText(channel: Channel, message: string | Uint8Array): string {
  if (typeof message === 'string') return message;
  return Buffer.from(message).toString(isText(channel.contentType) ? 'utf8' : 'base64');
}

/** Returns each message of a batch with the position after it. */
export function messagesWithOffsets({
  entries,
}: ReadResult): { message: string | Uint8Array; next: Position }[] {
  return entries.flatMap((entry) =>
    entry.messages.map((message, nth) => ({ message, next: positionAfter(entry, nth) })),
  );
}

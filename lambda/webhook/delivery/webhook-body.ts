/**
 * What is sent of a message (PROTOCOL.md §13.3). Written by hand around the message, which is kept as the very text that
 * was published.
 * @module
 */
import { fieldsOf } from '../../../protocol/fields.ts';
import { MAX_TYPE_LENGTH } from '../../../protocol/limits.ts';
import { formatOffset, type Position } from '../../../protocol/offset.ts';
import { isJson } from '../../hub/log/channel.ts';
import { bodyKindOf, wireText } from '../../hub/log/messages.ts';
import type { Endpoint, Format } from '../endpoint.ts';
import type { MessageRef } from './delivery.ts';

/** A message as it is in the log. */
export interface Content {
  readonly contentType: string;
  readonly message: string | Uint8Array;
  /** Where who has it reads on. */
  readonly next: Position;
}

/** What a message is whose own type is none: letters, digits, `_` and `.` (Standard Webhooks, payload structure). */
const NO_TYPE = 'message';
const TYPE = new RegExp(`^(?=.{1,${MAX_TYPE_LENGTH}}$)[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*$`);

export const isType = (type: string): boolean => TYPE.test(type);

export function typeOf({ contentType, message }: Pick<Content, 'contentType' | 'message'>): string {
  if (!isJson(contentType) || typeof message !== 'string' || !message.startsWith('{')) return NO_TYPE;
  const { type } = fieldsOf(JSON.parse(message));
  return typeof type === 'string' && isType(type) ? type : NO_TYPE;
}

/** True if an endpoint wants messages of that type. */
export function wants({ types }: Pick<Endpoint, 'types'>, type: string): boolean {
  if (types.length === 0) return true;
  return types.some((wanted) =>
    wanted.endsWith('.*') ? type.startsWith(wanted.slice(0, -1)) : wanted === type,
  );
}

export interface Body {
  readonly contentType: string;
  readonly text: string;
}

/** The body of a delivery, and its content type. */
export function bodyFor(format: Format, id: string, of: MessageRef, content: Content): Body {
  const { contentType, message } = content;
  const kind = bodyKindOf(contentType);
  const said = {
    type: typeOf(content),
    time: new Date(of.time).toISOString(),
    offset: formatOffset(content.next),
    value: wireText(contentType, message),
  };
  return format === 'cloudevents' ? cloudEvent(id, of, contentType, said) : standard(of, kind, said);
}

interface Said {
  readonly type: string;
  readonly time: string;
  readonly offset: string;
  /** The message, as JSON. */
  readonly value: string;
}

function standard({ channel }: MessageRef, kind: ReturnType<typeof bodyKindOf>, said: Said): Body {
  const { type, time, offset, value } = said;
  const head = JSON.stringify({ type, timestamp: time }).slice(0, -1);
  const tail = JSON.stringify({ channel, offset }).slice(1);
  const name = kind === 'messages' ? 'data' : kind;
  return { contentType: 'application/json', text: `${head},"${name}":${value},${tail}` };
}

/** https://github.com/cloudevents/spec/blob/main/cloudevents/formats/json-format.md */
function cloudEvent(id: string, { channel }: MessageRef, contentType: string, said: Said): Body {
  const { type, time, offset, value } = said;
  const event = {
    specversion: '1.0',
    id,
    source: `/channels/${channel}`,
    type,
    time,
    datacontenttype: isJson(contentType) ? 'application/json' : contentType,
    tidingsoffset: offset,
  };
  const name = bodyKindOf(contentType) === 'base64' ? 'data_base64' : 'data';
  return {
    contentType: 'application/cloudevents+json; charset=utf-8',
    text: `${JSON.stringify(event).slice(0, -1)},"${name}":${value}}`,
  };
}

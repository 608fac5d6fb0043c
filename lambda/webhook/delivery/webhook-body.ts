/**
 * The body of a webhook request (PROTOCOL.md §13.3). The JSON is concatenated around the message, so that the message stays
 * exactly the text that was published.
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
export interface MessageContent {
  /** The content type of the channel. */
  readonly contentType: string;
  /** JSON text in a channel of JSON, bytes in any other. */
  readonly message: string | Uint8Array;
  /** The position after the message, where a reader continues. */
  readonly next: Position;
}

/**
 * The type of a message that has no valid type of its own. Valid are letters, digits, `_` and `.` (Standard Webhooks).
 */
const NO_TYPE = 'message';
const TYPE = new RegExp(`^(?=.{1,${MAX_TYPE_LENGTH}}$)[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*$`);

/** Returns true if the text is a valid type of messages. */
export const isType = (type: string): boolean => TYPE.test(type);

/** Returns the `type` of a message; `message` if it has no valid one. */
export function typeOf({ contentType, message }: Pick<MessageContent, 'contentType' | 'message'>): string {
  if (!isJson(contentType) || typeof message !== 'string' || !message.startsWith('{')) return NO_TYPE;
  const { type } = fieldsOf(JSON.parse(message));
  return typeof type === 'string' && isType(type) ? type : NO_TYPE;
}

/** Returns true if the endpoint wants messages of this type. */
export function wants({ types }: Pick<Endpoint, 'types'>, type: string): boolean {
  if (types.length === 0) return true;
  return types.some((wanted) =>
    wanted.endsWith('.*') ? type.startsWith(wanted.slice(0, -1)) : wanted === type,
  );
}

interface Body {
  readonly contentType: string;
  readonly text: string;
}

/** Returns the body of a delivery and its content type. */
export function bodyFor(format: Format, id: string, of: MessageRef, content: MessageContent): Body {
  const { contentType, message } = content;
  const kind = bodyKindOf(contentType);
  const fields = {
    type: typeOf(content),
    time: new Date(of.time).toISOString(),
    offset: formatOffset(content.next),
    value: wireText(contentType, message),
  };
  return format === 'cloudevents' ? cloudEvent(id, of, contentType, fields) : standard(of, kind, fields);
}

/** The fields that both formats have. */
interface BodyFields {
  readonly type: string;
  readonly time: string;
  readonly offset: string;
  /** The message, as JSON. */
  readonly value: string;
}

function standard({ channel }: MessageRef, kind: ReturnType<typeof bodyKindOf>, fields: BodyFields): Body {
  const { type, time, offset, value } = fields;
  const head = JSON.stringify({ type, timestamp: time }).slice(0, -1);
  const tail = JSON.stringify({ channel, offset }).slice(1);
  const name = kind === 'messages' ? 'data' : kind;
  return { contentType: 'application/json', text: `${head},"${name}":${value},${tail}` };
}

/** https://github.com/cloudevents/spec/blob/main/cloudevents/formats/json-format.md */
function cloudEvent(id: string, { channel }: MessageRef, contentType: string, fields: BodyFields): Body {
  const { type, time, offset, value } = fields;
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

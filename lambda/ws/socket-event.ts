/**
 * The edge of the handler of sockets: narrows the events of a WebSocket API.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
 * @module
 */

import { fieldsOf } from '../../protocol/fields.ts';

/** An event of a WebSocket API. */
export type SocketEvent =
  | {
      readonly kind: 'connect';
      readonly connection: string;
      readonly headers: Headers;
      readonly query: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'message'; readonly connection: string; readonly body: string }
  | { readonly kind: 'disconnect'; readonly connection: string };

/** The answer to an event of a WebSocket API. */
export interface SocketResult {
  /** The answer to $connect: 200 opens the connection, any other status refuses it. */
  readonly statusCode: number;
  /** Headers of the answer to $connect. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The frame that answers a frame. */
  readonly body?: string;
}

/** Narrows an event. @throws Error for another event: that is a mistake in the template, not of the caller */
export function parseSocketEvent(event: unknown): SocketEvent {
  const { requestContext, headers, queryStringParameters, body, isBase64Encoded } = fieldsOf(event);
  const { connectionId: connection, eventType } = fieldsOf(requestContext);
  if (typeof connection !== 'string') throw new Error('not an event of a WebSocket API');
  switch (eventType) {
    case 'CONNECT': {
      const pairs = Object.entries(fieldsOf(headers)).map(([name, value]): [string, string] => [
        name,
        String(value),
      ]);
      return {
        kind: 'connect',
        connection,
        headers: new Headers(pairs),
        query: fieldsOf(queryStringParameters),
      };
    }
    case 'MESSAGE':
      // The gateway closes a connection that sends a binary frame, so a body that is not text cannot be a request.
      return { kind: 'message', connection, body: isBase64Encoded === true ? '' : String(body ?? '') };
    case 'DISCONNECT':
      return { kind: 'disconnect', connection };
    default:
      throw new Error('an event of a WebSocket API of an unknown type');
  }
}

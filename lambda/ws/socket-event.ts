/**
 * The edge of the door of sockets: what API Gateway hands over for a WebSocket, narrowed.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
 * @module
 */

import { fieldsOf } from '../../protocol/fields.ts';

export type SocketEvent =
  | {
      readonly kind: 'connect';
      readonly connection: string;
      readonly headers: Headers;
      readonly query: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'message'; readonly connection: string; readonly body: string }
  | { readonly kind: 'disconnect'; readonly connection: string };

export interface SocketResult {
  readonly statusCode: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Anything else than one of the three is a wiring mistake, not a caller's. */
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
      // A body that is not text cannot be one of ours: the gateway closes the connection on binary frames.
      return { kind: 'message', connection, body: isBase64Encoded === true ? '' : String(body ?? '') };
    case 'DISCONNECT':
      return { kind: 'disconnect', connection };
    default:
      throw new Error('an event of a WebSocket API of an unknown type');
  }
}

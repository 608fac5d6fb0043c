/**
 * The check that a request has come by the front door (docs/adr/0024): one for all HTTP routes and for the opening of sockets.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { fieldsOf } from '../../protocol/fields.ts';
import { EDGE_DOOR } from '../../protocol/headers.ts';
import type { HandlerLog } from './http-handler.ts';

/** The answer to a request that has not. It is complete for an HTTP API and for a WebSocket API. */
interface ClosedResult {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly isBase64Encoded: boolean;
}

/**
 * Returns a handler that refuses what has not come by the front door, before it reads anything else.
 * @param secret the value of the header; undefined for a hub whose API may be called directly
 */
export function behindDoor<T>(
  secret: string | undefined,
  logRefusal: HandlerLog['logRefusal'],
  handler: (event: unknown) => Promise<T>,
): (event: unknown) => Promise<T | ClosedResult> {
  if (secret === undefined) return handler;
  return async (event) => {
    const { requestContext, headers, rawPath } = fieldsOf(event);
    const { http, eventType } = fieldsOf(requestContext);
    // The frames of an open socket, and its end, have no headers of a caller.
    const isEntrance = http !== undefined || eventType === 'CONNECT';
    if (!isEntrance || isEqual(doorIn(headers), secret)) return await handler(event);
    const refusal = new Refusal(
      'forbidden',
      'this address answers to the front door of the hub only: use its own URL',
    );
    logRefusal(refusal, { method: String(fieldsOf(http).method), path: String(rawPath) });
    return {
      statusCode: refusal.status,
      headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
      body: JSON.stringify(refusal),
      isBase64Encoded: false,
    };
  };
}

/** Returns the value of the header. An HTTP API writes names in lower case, a WebSocket API as they were sent. */
function doorIn(headers: unknown): string {
  const [, value] =
    Object.entries(fieldsOf(headers)).find(([name]) => name.toLowerCase() === EDGE_DOOR) ?? [];
  return String(value ?? '');
}

/** Compares in the same time for each text of that length, so that the time of an answer does not say how much of a guess is right. */
function isEqual(text: string, secret: string): boolean {
  if (text.length !== secret.length) return false;
  let difference = 0;
  for (let at = 0; at < secret.length; at += 1) difference |= text.charCodeAt(at) ^ secret.charCodeAt(at);
  return difference === 0;
}

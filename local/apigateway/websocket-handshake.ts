/**
 * Checks the handshake of a WebSocket before a function is invoked.
 * @see https://datatracker.ietf.org/doc/html/rfc6455#section-4.2.1
 * @module
 */
import type { IncomingMessage } from 'node:http';
import type { JsonObject } from '../template/json.ts';

const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;
const KEY = /^[+/\dA-Za-z]{22}==$/;

/** Returns true for a valid handshake. */
export function isHandshake({ method, headers }: IncomingMessage): boolean {
  const { 'sec-websocket-key': key = '', 'sec-websocket-protocol': offered } = headers;
  if (method !== 'GET' || headers['sec-websocket-version'] !== '13' || !KEY.test(key)) return false;
  if (offered === undefined) return true;
  const names = offered.split(',').map((name) => name.trim());
  return names.every((name) => TOKEN.test(name)) && new Set(names).size === names.length;
}

/** Returns the subprotocol in the headers of a function, or `invalid` for a value that is no token. */
export function subprotocolOf(headers: JsonObject): string | undefined {
  const found = Object.entries(headers).find(([name]) => name.toLowerCase() === 'sec-websocket-protocol');
  if (found === undefined) return undefined;
  const chosen = String(found[1]);
  return TOKEN.test(chosen) ? chosen : 'invalid';
}

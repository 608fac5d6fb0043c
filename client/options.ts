/**
 * What `connect` is told, checked at once: an address that is none would else be tried for ever.
 * @module
 */
import type { Token } from './token.ts';
import { isTransport, TRANSPORTS, type Transport } from './transports/failover.ts';

export interface ConnectOptions {
  /** The hub's URL: `https://…`. */
  readonly url: string;
  /** Where sockets are, for a hub without the front door: `wss://…`. Default: `/ws` of the hub. */
  readonly socketUrl?: string | undefined;
  /** Where streams are, for a hub without the front door. Default: the hub. */
  readonly streamUrl?: string | undefined;
  readonly token?: Token;
  /** Which may be used, the first choice first. Default: WebSocket, SSE, long polling, short polling. */
  readonly transports?: readonly Transport[] | undefined;
}

export interface Settings {
  /** Without a slash at their ends. */
  readonly url: string;
  readonly socketUrl: string;
  readonly streamUrl: string;
  readonly token: Token;
  readonly transports: readonly Transport[];
}

/** @throws TypeError that names the option, and what it must be */
export function settingsOf(options: ConnectOptions): Settings {
  const { token, transports = TRANSPORTS } = options;
  const url = addressOf('url', options.url, ['https', 'http']);
  const unknown = transports.find((name) => !isTransport(name));
  if (unknown !== undefined)
    throw new TypeError(`transports has "${unknown}", it must be of ${TRANSPORTS.join(', ')}`);
  return {
    url,
    socketUrl: addressOf('socketUrl', options.socketUrl ?? `${url.replace(/^http/, 'ws')}/ws`, ['wss', 'ws']),
    streamUrl: addressOf('streamUrl', options.streamUrl ?? url, ['https', 'http']),
    token,
    transports: [...transports],
  };
}

function addressOf(option: string, value: string, schemes: readonly string[]): string {
  const address = parse(value);
  if (!address || !schemes.includes(address.protocol.slice(0, -1)))
    throw new TypeError(
      `${option} must begin with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}, got "${value}"`,
    );
  const { username, password, search, hash, protocol, host, pathname } = address;
  // What is read and published stands behind it, and neither fetch nor WebSocket takes a password in a URL.
  if (username || password || search || hash)
    throw new TypeError(`${option} must have no user name, password, query or fragment`);
  return `${protocol}//${host}${pathname}`.replace(/\/+$/, '');
}

/** Not URL.canParse, which browsers of 2023 do not have. */
function parse(value: string): URL | undefined {
  try {
    return new URL(value);
  } catch {
    return undefined;
  }
}

/**
 * The options of `connect`. They are checked at once: otherwise the client would retry a wrong address without end.
 * @module
 */
import type { Token } from './token.ts';
import { isTransport, TRANSPORTS, type Transport } from './transports/failover.ts';

/** The options of `connect`. */
export interface ConnectOptions {
  /** The URL of the hub: `https://…`. */
  readonly url: string;
  /** The URL of the sockets, for a hub without the front door: `wss://…`. Default: `/ws` of the hub. */
  readonly socketUrl?: string | undefined;
  /** The URL of the streams, for a hub without the front door. Default: the hub. */
  readonly streamUrl?: string | undefined;
  /** The token, or a function that returns one. Default: no token. */
  readonly token?: Token;
  /** The transports to use, the first choice first. Default: WebSocket, SSE, long polling, short polling. */
  readonly transports?: readonly Transport[] | undefined;
}

/** The options, checked and with their defaults. */
export interface Settings {
  /** The URL of the hub, without a slash at its end. */
  readonly url: string;
  /** The URL of the sockets, without a slash at its end. */
  readonly socketUrl: string;
  /** The URL of the streams, without a slash at its end. */
  readonly streamUrl: string;
  /** The token, or a function that returns one. */
  readonly token: Token;
  /** The transports to use, the first choice first. */
  readonly transports: readonly Transport[];
}

/**
 * Returns the options with their defaults.
 * @throws TypeError that names the option and the values allowed
 */
export function settingsOf(options: ConnectOptions): Settings {
  const { token, transports = TRANSPORTS } = options;
  const url = addressOf('url', options.url, ['https', 'http']);
  if (transports.length === 0)
    throw new TypeError(`transports is empty, it must have at least one of ${TRANSPORTS.join(', ')}`);
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
      `${option} must begin with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}, got "${withoutPassword(String(value))}"`,
    );
  const { username, password, search, hash, protocol, host, pathname } = address;
  // The client appends paths to the URL, and neither fetch nor WebSocket accepts a password in it.
  if (username || password || search || hash)
    throw new TypeError(`${option} must have no user name, password, query or fragment`);
  return `${protocol}//${host}${pathname}`.replace(/\/+$/, '');
}

/** Parses without `URL.parse` and `URL.canParse`, which some browsers of 2023 do not have. */
function parse(value: string): URL | undefined {
  try {
    return new URL(value);
  } catch {
    return undefined;
  }
}

/** An error may be shown or logged. */
const withoutPassword = (address: string): string => address.replace(/^(.*:\/\/).*@/s, '$1…@');

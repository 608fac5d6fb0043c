/**
 * The URLs of a hub, by the outputs of its stack.
 * @module
 */
import type { Outputs } from './hub-keys.ts';

/** The URLs of a hub, without a slash at their end. */
export interface HubUrls {
  /** The URL to publish and read: the front door, or the HTTP API without one. */
  readonly url: string;
  /** The URL of the streams. */
  readonly streams: string;
  /** The URL of the sockets. */
  readonly sockets: string;
  /** The three URLs behind the front door. */
  readonly bare: { readonly http: string; readonly stream: string; readonly socket: string };
  /** True if there is a front door. */
  readonly hasEdge: boolean;
}

/**
 * Returns the URLs in the outputs.
 * @throws Error if the stack is of a version without these outputs
 */
export function urlsIn(outputs: Outputs): HubUrls {
  const [url, http, stream, socket] = ['Url', 'HttpUrl', 'StreamUrl', 'SocketUrl'].map((name) =>
    outputs[name]?.replace(/\/+$/, ''),
  );
  if (!http || !stream || !socket)
    throw new Error('the stack of the hub has no outputs HttpUrl, StreamUrl and SocketUrl: deploy it again');
  const bare = { http, stream, socket };
  if (!url) return { url: http, streams: stream, sockets: socket, bare, hasEdge: false };
  return { url, streams: url, sockets: `${url.replace(/^http/, 'ws')}/ws`, bare, hasEdge: true };
}

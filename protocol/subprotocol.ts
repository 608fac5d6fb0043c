/**
 * The WebSocket subprotocols (PROTOCOL.md §12): the protocol itself, and the token of a client that cannot set a
 * header.
 * @module
 */
export const SUBPROTOCOL = 'tidings.v1';

const BEARER = 'bearer.';

/** Returns the subprotocols that a client offers. */
export const subprotocolsFor = (token: string | undefined): string[] =>
  token === undefined ? [SUBPROTOCOL] : [SUBPROTOCOL, BEARER + token];

/** Returns the token among the offered subprotocols, if there is one. */
export const tokenIn = (offered: readonly string[]): string | undefined =>
  offered.find((name) => name.startsWith(BEARER))?.slice(BEARER.length);

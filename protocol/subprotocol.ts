/**
 * The subprotocols of a socket (PROTOCOL.md §12), spelled once for both ends: the protocol itself, and the token of who
 * cannot set a header.
 * @module
 */
export const SUBPROTOCOL = 'tidings.v1';

const BEARER = 'bearer.';

/** What a client offers. */
export const subprotocolsFor = (token: string | undefined): string[] =>
  token === undefined ? [SUBPROTOCOL] : [SUBPROTOCOL, BEARER + token];

/** The token among what a client offers, if any. */
export const tokenIn = (offered: readonly string[]): string | undefined =>
  offered.find((name) => name.startsWith(BEARER))?.slice(BEARER.length);

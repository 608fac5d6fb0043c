/**
 * What of a caller may stand in a URL (PROTOCOL.md §7): a ticket, and never a token.
 * @module
 */
export const TICKET = 'ticket';

/** By these names others take tokens from URLs (RFC 6750 §2.3 the first of them): here nobody is to build on it. */
const TOKEN_NAMES: ReadonlySet<string> = new Set([
  'accesstoken',
  'apikey',
  'auth',
  'authorization',
  'bearer',
  'idtoken',
  'jwt',
  'token',
]);

/** True for the name of a query parameter that can only mean a token, however it is spelled. */
export const meansToken = (name: string): boolean =>
  TOKEN_NAMES.has(name.toLowerCase().replace(/[^a-z]/g, ''));

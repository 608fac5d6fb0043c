/**
 * The query parameters that may carry a secret (PROTOCOL.md §7): a ticket may, a token may not.
 * @module
 */
export const TICKET = 'ticket';

/**
 * Names by which other services accept tokens in URLs, such as RFC 6750 §2.3. The hub refuses them, so that no caller
 * relies on them.
 */
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

/** True for the name of a query parameter that can only mean a token, in any spelling. */
export const meansToken = (name: string): boolean =>
  TOKEN_NAMES.has(name.toLowerCase().replace(/[^a-z]/g, ''));

/**
 * Which pages may talk to the hub (PROTOCOL.md §10). Nothing is ambient here, so a foreign page has no more than anyone;
 * the list keeps a token that such a page has come by from working there.
 * @module
 */

export interface Origins {
  /** True if pages of any origin may. */
  readonly isOpen: boolean;
  /** True for one that is listed, byte for byte: whoever compares more kindly lets look-alikes in. */
  readonly has: (origin: string) => boolean;
}

/** Reads what lib/gateways/origins.ts wrote: `*`, or exact origins joined by commas. */
export function parseOrigins(text: string): Origins {
  const listed = new Set(text.split(','));
  return { isOpen: text === '*', has: (origin) => text === '*' || listed.has(origin) };
}

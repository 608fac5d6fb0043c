/**
 * The pages that may call the hub (PROTOCOL.md §10). The hub uses no cookies, so a foreign page has no more rights than any other
 * client. The list prevents that such a page can use a token that it has obtained.
 * @module
 */

/** The origins that may call. */
export interface Origins {
  /** True if pages of any origin may call. */
  readonly isOpen: boolean;
  /** Returns true for a listed origin. Compares byte for byte: a looser comparison would admit similar origins. */
  readonly has: (origin: string) => boolean;
}

/** Parses the value of lib/gateways/origins.ts: `*`, or exact origins separated by commas. */
export function parseOrigins(text: string): Origins {
  const listed = new Set(text.split(','));
  return { isOpen: text === '*', has: (origin) => text === '*' || listed.has(origin) };
}

/**
 * How the tables of understood resources are written.
 * @module
 */

/** Acted upon: some other module reads this property. */
export const ACTED = true;

/** `true`: acted upon. A string: accepted without effect, and why. An object: the same for what lies below. */
export type Properties = { readonly [name: string]: true | string | Properties };

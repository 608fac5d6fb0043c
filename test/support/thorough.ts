/**
 * Random tests run a tenth of their cases, so that the whole of `npm test` takes minutes. `npm test -- --thorough` runs all.
 * @module
 */

/** True for `npm test -- --thorough`. */
export const isThorough = process.env.THOROUGH === 'true';

/** Returns how many of `cases` to run: all of them, or a tenth. */
export const share = (cases: number): number => (isThorough ? cases : Math.ceil(cases / 10));

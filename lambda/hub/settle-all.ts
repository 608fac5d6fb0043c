/**
 * Waits for work that runs side by side.
 * @module
 */

/**
 * Returns the results when every promise has settled. If some have failed, it throws the first error, but not earlier:
 * a caller that has given up its lease or answered must have no work still running behind it.
 */
export async function settleAll<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}

/** Returns both results when both promises have settled, as `settleAll`. */
export async function settleBoth<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([one, other]);
  return await Promise.all([one, other]);
}

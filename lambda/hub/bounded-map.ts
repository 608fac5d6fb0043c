/**
 * A map in memory with a highest size. It has the entries that were set most recently.
 * @module
 */

/** A map of limited size, which forgets the values that were set longest ago. */
export interface Recent<T> {
  /** Returns the value, or undefined if it was never set or was deleted. */
  get(name: string): T | undefined;
  /** Sets a value, and makes it the most recent. A read does not make a value more recent. */
  set(name: string, value: T): void;
}

/**
 * Returns an empty map.
 * @param most highest sum of sizes; above it the entries that were set longest ago are deleted
 * @param sizeOf returns the size of a value, which does not change
 */
export function recent<T>(most: number, sizeOf: (value: T) => number = () => 1): Recent<T> {
  const known = new Map<string, T>();
  let size = 0;
  const remove = (name: string): void => {
    const value = known.get(name);
    if (value !== undefined && known.delete(name)) size -= sizeOf(value);
  };
  return {
    get: (name) => known.get(name),
    set(name, value) {
      remove(name);
      known.set(name, value);
      size += sizeOf(value);
      for (const oldest of known.keys()) {
        if (size <= most) return;
        remove(oldest);
      }
    },
  };
}

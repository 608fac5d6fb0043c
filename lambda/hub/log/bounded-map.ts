/**
 * A map in memory with a highest size. It has the entries that were set most recently.
 * @module
 */

export interface Recent<T> {
  /** Returns the value, or undefined if it was never set or was deleted. */
  get(name: string): T | undefined;
  /** Sets a value, and makes it the most recent. A read does not make a value more recent. */
  set(name: string, value: T): void;
}

/** Returns an empty map. @param most number of entries; above it the entry that was set longest ago is deleted */
export function recent<T>(most: number): Recent<T> {
  const known = new Map<string, T>();
  return {
    get: (name) => known.get(name),
    set(name, value) {
      known.delete(name);
      known.set(name, value);
      const oldest = known.keys().next();
      if (known.size > most && !oldest.done) known.delete(oldest.value);
    },
  };
}

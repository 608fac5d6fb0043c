/**
 * A memory of one process: the newest of what it was told, by name, and no more than a number of them.
 * @module
 */

export interface Recent<T> {
  get(name: string): T | undefined;
  set(name: string, value: T): void;
}

/** @param most how many are remembered; above that the one that was set longest ago is forgotten */
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

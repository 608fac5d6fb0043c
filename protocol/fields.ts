/**
 * Untrusted JSON, before anything is known of it.
 * @module
 */

export type Fields = Readonly<Record<string, unknown>>;

/**
 * A value of an object that is used as a map, by a key that a caller chose. `map[key]` would find what every object
 * inherits where the key is `constructor` or `__proto__`, and both are channel names.
 */
export const ownValue = <T>(map: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(map, key) ? map[key] : undefined;

/** The members of a value, each still to be narrowed; none if it is no object. */
export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? { ...value } : {};

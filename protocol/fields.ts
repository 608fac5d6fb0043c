/**
 * Untrusted JSON, before it is checked.
 * @module
 */

/** The members of an object, unchecked. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * Returns the value of a map for a key that a caller chose. `map[key]` would find inherited members for the keys
 * `constructor` and `__proto__`, and both are valid channel names.
 */
export const ownValue = <T>(map: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(map, key) ? map[key] : undefined;

/** Returns the members of a value, unchecked. Empty if the value is not an object. */
export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? { ...value } : {};

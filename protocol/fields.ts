/**
 * Untrusted JSON, before anything is known of it.
 * @module
 */

export type Fields = Readonly<Record<string, unknown>>;

/** The members of a value, each still to be narrowed; none if it is no object. */
export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? { ...value } : {};

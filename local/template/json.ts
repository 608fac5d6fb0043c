/**
 * Narrows values that were parsed from JSON.
 * @module
 */

/** An object of JSON, whose members are not checked yet. */
export type JsonObject = Record<string, unknown>;

/** Returns true for a JSON object, false for null and for a list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns the object, or an empty object for any other value. */
export function objectOr(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** Returns the list, a list with the one value, or an empty list for null and undefined: CloudFormation and IAM allow one or many. */
export function asList(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

/**
 * Returns the strings of a list, or a list with the one string.
 * @param name of the value in the error
 * @throws Error for any other value
 */
export function stringsOf(value: unknown, name: string): string[] {
  return asList(value).map((item) => requireString(item, name));
}

/**
 * Returns the string.
 * @param name of the value in the error
 * @throws Error for any other value
 */
export function requireString(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw new Error(`${name} must be a string, got ${JSON.stringify(value)}`);
}

/**
 * Returns the object.
 * @param name of the value in the error
 * @throws Error for any other value
 */
export function requireObject(value: unknown, name: string): JsonObject {
  if (isObject(value)) return value;
  throw new Error(`${name} must be an object, got ${JSON.stringify(value)}`);
}

/**
 * Returns the number, or `fallback` for undefined. Templates also have numbers as strings.
 * @param name of the value in the error
 * @throws Error for any other value
 */
export function numberOr(value: unknown, fallback: number, name: string): number {
  if (value === undefined) return fallback;
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw new Error(`${name} must be a number, got ${JSON.stringify(value)}`);
}

/** Returns the string, or `fallback` for any other value. */
export function stringOr<T>(value: unknown, fallback: T): string | T {
  return typeof value === 'string' ? value : fallback;
}

/** Parses JSON text. Returns undefined if it is not JSON; no JSON text has that value. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

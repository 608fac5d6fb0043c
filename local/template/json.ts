/**
 * Narrowing of what was parsed from JSON: the one place where `unknown` becomes known.
 * @module
 */

export type JsonObject = Record<string, unknown>;

/** True for a plain JSON object: not null, not a list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object itself, or an empty one where there is none. */
export function objectOr(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** The list itself, a list of the one value, or an empty list: CloudFormation and IAM allow one or many. */
export function listOf(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

/** Every string of a list of strings, or of one string; refuses anything else by the name given. */
export function stringsOf(value: unknown, name: string): string[] {
  return listOf(value).map((item) => requireString(item, name));
}

/** The string, or an error that names what should have been one. */
export function requireString(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw new Error(`${name} must be a string, got ${JSON.stringify(value)}`);
}

/** The object, or an error that names what should have been one. */
export function requireObject(value: unknown, name: string): JsonObject {
  if (isObject(value)) return value;
  throw new Error(`${name} must be an object, got ${JSON.stringify(value)}`);
}

/** The number (CloudFormation also writes numbers as strings), or the default where there is none. */
export function numberOr(value: unknown, fallback: number, name: string): number {
  if (value === undefined) return fallback;
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw new Error(`${name} must be a number, got ${JSON.stringify(value)}`);
}

/** The string, or undefined for anything else. */
export function stringOr<T>(value: unknown, fallback: T): string | T {
  return typeof value === 'string' ? value : fallback;
}

/** Parses JSON text; undefined where it is not JSON. JSON itself can never hold undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

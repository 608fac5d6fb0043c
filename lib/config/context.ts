/**
 * Context keys `tidings:*`: how each is read, and in which words it is refused.
 * @module
 */

export type Context = Readonly<Record<string, unknown>>;

export type Parser<T> = (value: unknown) => T;

export const PREFIX = 'tidings:';

/** @throws Error with one sentence that names the key, the value received and the values allowed */
export function readOption<T>(context: Context, name: string, fallback: unknown, parse: Parser<T>): T {
  const value = context[PREFIX + name] ?? fallback;
  try {
    return parse(value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`context key "${PREFIX}${name}" is ${JSON.stringify(value)}: ${reason}`);
  }
}

export function refuse(allowed: string): never {
  throw new Error(`it must be ${allowed}`);
}

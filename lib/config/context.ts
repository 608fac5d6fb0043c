/**
 * Reads the context keys `tidings:*`, from cdk.json or from `-c` on the command line. With `-c` every value is text, so each schema
 * also accepts its values as text.
 * @module
 */
import { z } from 'zod';

/** The context of a construct tree: all keys, also those of the CDK. */
export type Context = Readonly<Record<string, unknown>>;

/** The first part of every context key of the hub. */
export const PREFIX = 'tidings:';

/**
 * Reads the context keys `tidings:*` by a schema whose members are the options.
 * @throws Error with a sentence for each key that is wrong: the key, the value received, and the values allowed
 */
export function readOptions<S extends z.ZodRawShape>(
  schema: z.ZodObject<S>,
  context: Context,
): z.output<z.ZodObject<S>> {
  const given: Context = Object.fromEntries(
    Object.entries(context)
      .filter(([key, value]) => key.startsWith(PREFIX) && value !== null)
      .map(([key, value]) => [key.slice(PREFIX.length), value]),
  );
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const known = Object.keys(schema.shape).map((name) => PREFIX + name);
  const sentences = result.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map(
        (name) => `unknown context key "${PREFIX}${name}"; known are ${known.join(', ')}`,
      );
    const name = String(issue.path[0]);
    return [`context key "${PREFIX}${name}" is ${JSON.stringify(given[name])}: ${issue.message}`];
  });
  throw new Error([...new Set(sentences)].join('\n'));
}

/** Returns the error message of a schema. @param values the values that the schema allows, in words */
export const allowed = (values: string) => ({ error: `it must be ${values}` });

/** Returns the schema of a whole number in a range, both ends included. */
export function wholeNumber(least: number, most: number) {
  const message = allowed(`a whole number from ${least} to ${most}`);
  return z.preprocess(numberFrom, z.int(message).min(least, message).max(most, message));
}

/** Returns the number that a text stands for. Returns any other value, and a text that is no number, as it is. */
export const numberFrom = (value: unknown): unknown =>
  typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value)) ? Number(value) : value;

/** Returns the schema of a boolean. */
export const trueOrFalse = () =>
  z.preprocess(
    (value) => (value === 'true' || value === 'false' ? value === 'true' : value),
    z.boolean(allowed('true or false')),
  );

/** Returns the schema of a JSON value. @param parse checks the value; the message of an error that it throws becomes the schema's */
export const jsonBy = <T>(parse: (value: unknown) => T) =>
  z.unknown().transform((value, { addIssue }): T => {
    try {
      return parse(typeof value === 'string' ? JSON.parse(value) : value);
    } catch (error) {
      addIssue(error instanceof Error ? error.message : String(error));
      return z.NEVER;
    }
  });

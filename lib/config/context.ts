/**
 * Reads the options of a hub: the context keys `tidings:*`, from cdk.json or from `-c` on the command line, or the props of a construct.
 * With `-c` every value is text, so each schema also accepts its values as text.
 * @module
 */
import { Construct } from 'constructs';
import { z } from 'zod';

/** The context of a construct tree: all keys, also those of the CDK. */
export type Context = Readonly<Record<string, unknown>>;

/** The first part of every context key of the hub. */
const PREFIX = 'tidings:';

/** How an error names options: as the person who set them wrote them. */
export interface Naming {
  /** What an option is called. */
  readonly kind: 'context key' | 'prop';
  /** Comes before the name of each option. */
  readonly prefix: string;
}

/** Options of the template, in cdk.json or with `-c`. */
export const CONTEXT_KEYS: Naming = { kind: 'context key', prefix: PREFIX };

/** Options of a construct. */
export const PROPS: Naming = { kind: 'prop', prefix: '' };

/** Returns the options among the context keys, without their prefix. A key can be unset with null. */
export const optionsIn = (context: Context): Context =>
  Object.fromEntries(
    Object.entries(context)
      .filter(([key, value]) => key.startsWith(PREFIX) && value !== null)
      .map(([key, value]) => [key.slice(PREFIX.length), value]),
  );

/**
 * Reads options by a schema whose members are the options.
 * @throws Error with a sentence for each option that is wrong: its name, the value received, and the values allowed
 */
export function readOptions<S extends z.ZodRawShape>(
  schema: z.ZodObject<S>,
  given: Readonly<Record<string, unknown>>,
  { kind, prefix }: Naming,
): z.output<z.ZodObject<S>> {
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const known = Object.keys(schema.shape).map((name) => prefix + name);
  const sentences = result.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((name) => `unknown ${kind} "${prefix}${name}"; known are ${known.join(', ')}`);
    const name = String(issue.path[0]);
    return [`${kind} "${prefix}${name}" is ${shown(given[name])}: ${issue.message}`];
  });
  throw new Error([...new Set(sentences)].join('\n'));
}

/** Returns a value as JSON. A construct, which refers to the whole app, is shown by its path. */
const shown = (value: unknown): string | undefined =>
  JSON.stringify(value, (_, member: unknown) => (Construct.isConstruct(member) ? member.node.path : member));

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

/** Returns the schema of an option that is left out, or empty as in cdk.json, for none. */
export const optional = <S extends z.ZodType>(schema: S) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema.optional()).optional();

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

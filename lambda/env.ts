/**
 * The environment of each function: one definition of its names, for the side that writes them (lib/), the side that
 * reads them (the doors), and the template test that compares the two. Imports nothing.
 * @module
 */

/** One function's environment. `read` runs once per cold start and throws a sentence that names what is missing. */
const contract = <K extends string>(...names: readonly K[]) => ({
  names,
  write: (values: Record<K, string>): Record<K, string> => values,
  read(source: Readonly<Record<string, string | undefined>>): Record<K, string> {
    const missing = names.filter((name) => !source[name]);
    if (missing.length > 0) throw new Error(`missing environment: ${missing.join(', ')}`);
    // What was found for each of the names: fromEntries has forgotten which they are.
    return Object.fromEntries(names.map((name) => [name, source[name]])) as Record<K, string>;
  },
});

/** Where the log is. Both doors over the log have it. */
export const logEnv = contract(
  'CHANNELS_TABLE',
  'ENTRIES_TABLE',
  'KEYS_TABLE',
  'RETENTION_DAYS',
  'CHANNEL_CREATION',
);

/** Whom to let in. Every door has it. ANONYMOUS is a capability in JSON. */
export const accessEnv = contract('TOKEN_SECRET_ARN', 'TOKEN_AUDIENCE', 'ANONYMOUS');

/** Where held reads show themselves. */
export const waitEnv = contract('SUBSCRIBERS_TABLE');

/** How long a long poll is held. */
export const holdEnv = contract('HOLD_SECONDS');

/** How long a stream lives, and the header that its token comes in. */
export const streamEnv = contract('STREAM_SECONDS', 'TOKEN_HEADER');

const common = [...logEnv.names, ...accessEnv.names];

/** The environment of each door, for the template test. */
export const doorNames: Readonly<Record<string, readonly string[]>> = {
  Publish: common,
  Read: common,
  Hold: [...common, ...waitEnv.names, ...holdEnv.names],
  Stream: [...common, ...waitEnv.names, ...streamEnv.names],
};

/**
 * Parses the options for the template and the identity. All others are for the CDK CLI.
 * @module
 */
import { statSync } from 'node:fs';
import { UsageError } from '../cli.ts';

/** The options of a command. */
export interface Options {
  /** `key=value` pairs of `-c`. */
  readonly context: readonly string[];
  /** The value of `--app`: a directory with a cloud assembly, or a command that writes one. */
  readonly app: string | undefined;
  /** The value of `--profile`. */
  readonly profile: string | undefined;
  /** The value of `--region`. */
  readonly region: string | undefined;
  /** All other options, in order. */
  readonly rest: readonly string[];
}

const LONG: Readonly<Record<string, string>> = { '-c': '--context', '-a': '--app' };

/**
 * Reads a command line. `--stage NAME` is short for `-c tidings:stage=NAME`.
 * @throws UsageError if an option has no value
 */
export function parseOptions(args: readonly string[]): Options {
  const values: Record<string, string[]> = {
    '--context': [],
    '--app': [],
    '--profile': [],
    '--region': [],
    '--stage': [],
  };
  const rest: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const [given = '', inline] = split(args[at] ?? '');
    const known = values[LONG[given] ?? given];
    if (known === undefined) rest.push(args[at] ?? '');
    else {
      const value = inline ?? args[++at];
      if (value === undefined) throw new UsageError(`${given} needs a value`);
      known.push(value);
    }
  }
  const stages = (values['--stage'] ?? []).map((stage) => `tidings:stage=${stage}`);
  return {
    context: [...(values['--context'] ?? []), ...stages],
    app: values['--app']?.at(-1),
    profile: values['--profile']?.at(-1),
    region: values['--region']?.at(-1),
    rest,
  };
}

/** Splits `--app=x` in two. The value of `-c` may contain a `=`, so a short option is not split. */
function split(arg: string): [string, string?] {
  const at = arg.startsWith('--') ? arg.indexOf('=') : -1;
  return at === -1 ? [arg] : [arg.slice(0, at), arg.slice(at + 1)];
}

/** Sets the profile and the Region for all AWS clients of this process and of its children. */
export function useIdentity({ profile, region }: Options): void {
  if (profile !== undefined) process.env.AWS_PROFILE = profile;
  if (region !== undefined) process.env.AWS_REGION = region;
}

/** Returns the profile and the Region as options of the CLI, which take precedence over the environment. */
export const identityArgs = ({ profile, region }: Options): readonly string[] => [
  ...(profile === undefined ? [] : ['--profile', profile]),
  ...(region === undefined ? [] : ['--region', region]),
];

/** Returns the context as options of the CLI. */
export const contextArgs = ({ context }: Options): readonly string[] =>
  context.flatMap((pair) => ['-c', pair]);

/** True if `--app` names a directory. It then holds an assembly. */
export const isReady = (app: string | undefined): app is string =>
  app !== undefined && statSync(app, { throwIfNoEntry: false })?.isDirectory() === true;

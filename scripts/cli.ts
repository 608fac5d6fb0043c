/**
 * What the commands of this project share: flags, and one sentence instead of a stack trace.
 * @module
 */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** A mistake of the person at the keyboard. */
export class UsageError extends Error {}

const EXIT_USAGE = 2;

/**
 * Ends the command when the reader of its output is gone, as after `| head -2`. A command that handles SIGTERM ends as it
 * does then, and any other ends at once. Without this, Node prints a stack trace: a write to a closed pipe is an error.
 */
export function endWithReader(): void {
  let isEnding = false;
  const end = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error;
    // What the command writes while it ends fails, too.
    if (isEnding) return;
    isEnding = true;
    if (!process.emit('SIGTERM', 'SIGTERM')) process.exit();
  };
  for (const stream of [process.stdout, process.stderr]) stream.on('error', end);
}

/**
 * Runs a command's main function. `--help` prints the help; a usage error prints its sentence and where help is.
 * @param help the whole help text; its first line is the usage
 */
export async function command<O extends ParseArgsOptionsConfig>(
  help: string,
  options: O,
  main: (flags: FlagsOf<O>) => Promise<void>,
): Promise<void> {
  endWithReader();
  try {
    if (process.argv.includes('--help') || process.argv.includes('-h')) {
      process.stdout.write(`${help}\n`);
      return;
    }
    await main(flagsOf(options));
  } catch (error) {
    fail(error);
  }
}

/** Says what went wrong in one sentence, and has the process end with 1, or with 2 after a usage error. */
export function fail(error: unknown): void {
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : 1;
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof UsageError ? ' (--help lists what there is)' : '';
  process.stderr.write(`tidings: ${message}${hint}\n`);
}

type FlagsOf<O extends ParseArgsOptionsConfig> = ReturnType<typeof parseArgs<{ options: O }>>['values'];

function flagsOf<O extends ParseArgsOptionsConfig>(options: O): FlagsOf<O> {
  try {
    return parseArgs({ options, args: withNumbers(process.argv.slice(2)) }).values;
  } catch (error) {
    // Node's sentence is good; its advice on positional arguments is not for here.
    const [sentence] = (error instanceof Error ? error.message : String(error)).split('. ');
    throw new UsageError(sentence);
  }
}

/** Node takes the -1 of `--offset -1` for a flag. */
function withNumbers(args: readonly string[]): string[] {
  const isNumber = (text: string | undefined) => text !== undefined && /^-\d+$/.test(text);
  return args.flatMap((text, at) => {
    if (isNumber(text) && args[at - 1]?.startsWith('--')) return [];
    return text.startsWith('--') && isNumber(args[at + 1]) ? [`${text}=${args[at + 1]}`] : [text];
  });
}

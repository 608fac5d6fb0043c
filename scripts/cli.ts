/**
 * The common parts of the commands: flags, help, and one sentence instead of a stack trace.
 * @module
 */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { printableLines } from './terminal/printable.ts';
import { clearWaiting } from './terminal/waiting.ts';

/** A mistake in the command line. The process ends with exit code 2. */
export class UsageError extends Error {}

const EXIT_USAGE = 2;

/**
 * Ends the command when the reader of its output has ended, as after `| head -2`. A command that handles SIGTERM ends
 * as it does then. Any other ends at once. Without this, Node prints a stack trace, because a write to a closed pipe is
 * an error.
 */
export function endWithReader(): void {
  let isEnding = false;
  const end = (error: NodeJS.ErrnoException): void => {
    // EIO: the terminal was closed.
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
    // Output that the command writes while it ends fails as well.
    if (isEnding) return;
    isEnding = true;
    if (!process.emit('SIGTERM', 'SIGTERM')) process.exit();
  };
  for (const stream of [process.stdout, process.stderr]) stream.on('error', end);
}

/**
 * Runs the main function of a command. `--help` prints the help. A usage error prints one sentence, and how to get
 * help.
 * @param help the whole help text; its first line is the usage
 */
export async function command<O extends ParseArgsOptionsConfig>(
  help: string,
  options: O,
  main: (flags: FlagsOf<O>) => Promise<void>,
): Promise<void> {
  await commandWithWords(help, options, (flags, [word]) => {
    if (word !== undefined) throw new UsageError(`Unexpected argument '${word}'`);
    return main(flags);
  });
}

/** Runs the main function of a command that takes words beside its options, as {@link command} does. */
export async function commandWithWords<O extends ParseArgsOptionsConfig>(
  help: string,
  options: O,
  main: (flags: FlagsOf<O>, words: readonly string[]) => Promise<void>,
): Promise<void> {
  endWithReader();
  try {
    const args = process.argv.slice(2);
    const end = args.indexOf('--');
    const ours = end < 0 ? args : args.slice(0, end);
    if (ours.includes('--help') || ours.includes('-h')) {
      process.stdout.write(`${help}\n`);
      return;
    }
    const { values, positionals } = parsed(options, args);
    await main(values, positionals);
  } catch (error) {
    fail(error);
  }
}

/** Prints one sentence about an error. The process will end with exit code 1, or 2 after a usage error. */
export function fail(error: unknown): void {
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : 1;
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof UsageError ? ' (--help lists the options)' : '';
  clearWaiting();
  process.stderr.write(`tidings: ${printableLines(message)}${hint}\n`);
}

type Parsed<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: O; allowPositionals: true }>
>;
type FlagsOf<O extends ParseArgsOptionsConfig> = Parsed<O>['values'];

function parsed<O extends ParseArgsOptionsConfig>(options: O, args: readonly string[]): Parsed<O> {
  try {
    return parseArgs({ options, args: withNumbers(args), allowPositionals: true });
  } catch (error) {
    // Node's first sentence is good. The second one is longer than what it says: words that begin with - come after --.
    const [sentence] = (error instanceof Error ? error.message : String(error)).split('. ');
    throw new UsageError(sentence);
  }
}

/** Joins `--offset -1` to `--offset=-1`, because Node takes `-1` for a flag. What follows `--` stays as it is. */
function withNumbers(args: readonly string[]): string[] {
  const isNumber = (text: string | undefined) => text !== undefined && /^-\d+$/.test(text);
  const end = args.includes('--') ? args.indexOf('--') : args.length;
  const joined = args.slice(0, end).flatMap((text, at) => {
    if (isNumber(text) && args[at - 1]?.startsWith('--')) return [];
    return text.startsWith('--') && isNumber(args[at + 1]) ? [`${text}=${args[at + 1]}`] : [text];
  });
  return [...joined, ...args.slice(end)];
}

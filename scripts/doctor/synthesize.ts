/**
 * Runs the pinned CDK CLI. It writes the assembly once, for the doctor and for the deployment.
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { note, waitFor } from '../terminal/waiting.ts';
import { contextArgs, identityArgs, isReady, type Options } from './options.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Runs the CLI in the terminal of this command. Returns its exit code.
 * @param step what it does, for people
 */
export async function runCdk(step: string, args: readonly string[], cwd = PROJECT): Promise<number> {
  note(`${step} …`);
  const cdk = spawn('cdk', [...args], { stdio: 'inherit', cwd });
  const ended = once(cdk, 'close');
  // On a terminal the CLI itself redraws what it changes in the stacks. A line between would break that.
  const isDrawn = DRAWN.includes(args[0] ?? '') && process.stderr.isTTY;
  const [code] = isDrawn ? await ended : await waitFor(step, ended, { isShared: true });
  return Number(code ?? 1);
}

/** The commands of the CLI that show their progress on a terminal. */
const DRAWN: readonly string[] = ['bootstrap', 'deploy', 'destroy'];

/** A folder without a cdk.json, in which the CLI finds no app and builds none. */
export const WITHOUT_APP = fileURLToPath(new URL('.', import.meta.url));

/** The template refuses the options or the Region. The message is that of the app, one problem per line. */
export class TemplateRefused extends Error {}

/**
 * Returns the directory of the assembly: the one that `--app` names, or `cdk.out` after writing it.
 * @throws TemplateRefused if the app refuses the options or the Region
 */
export async function synthesize(options: Options): Promise<string> {
  if (isReady(options.app)) return resolve(options.app);
  note('building the functions and the template…');
  const app = options.app === undefined ? [] : ['--app', options.app];
  const cdk = spawn(
    'cdk',
    ['synth', '--quiet', '--no-notices', ...app, ...contextArgs(options), ...identityArgs(options)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: PROJECT,
    },
  );
  let printed = '';
  for (const stream of [cdk.stdout, cdk.stderr]) {
    stream.on('data', (chunk) => {
      printed += String(chunk);
    });
  }
  const [code] = await waitFor('building the functions and the template', once(cdk, 'close'));
  if (code !== 0) throw new TemplateRefused(messageIn(printed));
  return resolve(PROJECT, 'cdk.out');
}

/** Returns the message of the app without the output of the CLI around it, or else all that was printed. */
function messageIn(printed: string): string {
  const own = /^tidings: ([\s\S]*?)(?=\n.*Subprocess exited|$(?![\s\S]))/m.exec(printed)?.[1];
  return (own ?? printed).trim();
}

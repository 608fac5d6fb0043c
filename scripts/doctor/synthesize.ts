/**
 * Runs the pinned CDK CLI. It writes the assembly once, for the doctor and for the deployment.
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { contextArgs, identityArgs, isReady, type Options } from './options.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** Runs the CLI in the terminal of this command. Returns its exit code. */
export async function runCdk(args: readonly string[], cwd = PROJECT): Promise<number> {
  const cdk = spawn('cdk', [...args], { stdio: 'inherit', cwd });
  const [code] = await once(cdk, 'close');
  return Number(code ?? 1);
}

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
  process.stderr.write('building the functions and the template…\n');
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
  const [code] = await once(cdk, 'close');
  if (code !== 0) throw new TemplateRefused(messageIn(printed));
  return resolve(PROJECT, 'cdk.out');
}

/** Returns the message of the app without the output of the CLI around it, or else all that was printed. */
function messageIn(printed: string): string {
  const own = /^tidings: ([\s\S]*?)(?=\n.*Subprocess exited|$(?![\s\S]))/m.exec(printed)?.[1];
  return (own ?? printed).trim();
}

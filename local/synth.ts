/**
 * Runs the CDK app as the CDK CLI does. Without the CLI it takes some seconds less.
 * @module
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { isObject, objectOr, parseJson } from './template/json.ts';

/** The local stack runs in no Region. Without this, the app could refuse the Region of the developer's AWS settings. */
const NO_REGION = { CDK_DEFAULT_REGION: undefined, AWS_REGION: undefined, AWS_DEFAULT_REGION: undefined };

/**
 * Synthesizes the CDK app into `outdir` with the command `app` of cdk.json. The template check of aws-cdk-lib is switched
 * off: it takes about 2.5 s, and the tests do it.
 * @throws Error with the message that the app wrote to stderr, without the stack trace
 */
export async function synth(options: {
  /** Directory of cdk.json; the command runs there. */
  projectDir: string;
  /** Directory that gets the assembly. */
  outdir: string;
  /** Context keys that replace those of cdk.json. */
  context?: Record<string, unknown>;
}): Promise<void> {
  const file = join(options.projectDir, 'cdk.json');
  const settings = parseJson(await readFile(file, 'utf8'));
  if (!isObject(settings)) throw new Error(`${file} is not a JSON object`);
  const { app } = settings;
  if (typeof app !== 'string')
    throw new Error(`"app" of ${file} must be a command, got ${JSON.stringify(app)}`);
  const context = {
    // The CLI sets this key, too. With it the template has the construct path of each resource.
    'aws:cdk:enable-path-metadata': true,
    ...objectOr(settings.context),
    ...options.context,
  };
  await run(app, options.projectDir, {
    ...NO_REGION,
    CDK_OUTDIR: options.outdir,
    CDK_CONTEXT_JSON: JSON.stringify(context),
    CDK_VALIDATION: 'false',
  });
}

function run(command: string, cwd: string, env: NodeJS.ProcessEnv): Promise<void> {
  // "node" in the command must be the node that runs this, even if an older one comes first on PATH.
  const path = [dirname(process.execPath), join(cwd, 'node_modules', '.bin'), process.env.PATH ?? ''];
  const child = spawn(command, {
    cwd,
    env: { ...process.env, ...env, PATH: path.join(delimiter) },
    shell: true, // as the CDK CLI does: `app` is a command line
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stderr: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new Error(`cannot run "${command}": ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) return resolve();
      const sentence = sentenceOf(Buffer.concat(stderr).toString('utf8'));
      reject(
        new Error(sentence || `"${command}" ended with ${signal ?? `exit code ${code}`} and no message`),
      );
    });
  });
}

/** Returns the message of the error that Node printed, or all text without the lines of the stack trace. */
export function sentenceOf(stderr: string): string {
  const thrown =
    /^(?:Uncaught )?(?:\w*(?:Error|Exception))(?: \[[^\]]*\])?: ([\s\S]*?)(?=\n\s+at |\n\s*\n|\n\s*$|$(?![\s\S]))/m;
  const message = thrown.exec(stderr)?.[1];
  if (message !== undefined && message.trim() !== '') return message.trim();
  return stderr
    .split('\n')
    .filter((line) => !/^\s+at |^\(node:\d+\)|^\(Use `node |^Node\.js v/.test(line))
    .join('\n')
    .trim();
}

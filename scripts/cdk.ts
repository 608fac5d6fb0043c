/**
 * `npm run synth | diff | deploy | destroy`: the pinned CDK CLI over all stacks of the hub.
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

const HELP = `usage: npm run synth | diff | deploy | destroy [-- CDK OPTIONS]

Runs the pinned AWS CDK CLI over the stacks of the hub, with your AWS credentials and region. destroy removes the doors
and keeps the data, unless the hub is throw-away.
The first deployment into an account and region needs "npx cdk bootstrap" once.

  -c tidings:stage=prod             another hub beside the first (default: dev)
  -c tidings:channelCreation=explicit
  -c tidings:throwAway=true         a hub whose data goes when it is destroyed
All options and their meaning are in lib/config.ts; their values are in cdk.json.`;

const [verb = '', ...options] = process.argv.slice(2);
/** What each command is about; the CDK refuses --all where it is the default. */
const SCOPE: Readonly<Record<string, readonly string[]>> = {
  synth: ['--quiet'],
  diff: [],
  deploy: ['--all'],
  // The stack of the data protects itself against deletion, so only a throw-away hub goes as a whole.
  destroy: isThrowAway(options) ? ['--all'] : ['*-hub'],
};
const scope = SCOPE[verb];
if (options.includes('--help') || scope === undefined) {
  process.stdout.write(`${HELP}\n`);
  process.exitCode = scope === undefined && !process.argv.includes('--help') ? 2 : 0;
} else {
  if (verb === 'destroy' && !isThrowAway(options)) {
    process.stderr.write(
      'the doors go; tables and keys stay, since the hub is not throw-away (-c tidings:throwAway=true)\n',
    );
  }
  const cdk = spawn('cdk', [verb, ...scope, ...options], { stdio: 'inherit', cwd: PROJECT });
  const [code] = await once(cdk, 'exit');
  process.exitCode = Number(code ?? 1);
}

function isThrowAway(given: readonly string[]): boolean {
  const context: unknown = JSON.parse(readFileSync(join(PROJECT, 'cdk.json'), 'utf8')).context;
  const fallback =
    typeof context === 'object' &&
    context !== null &&
    'tidings:throwAway' in context &&
    context['tidings:throwAway'];
  return (
    given.includes('tidings:throwAway=true') ||
    (fallback === true && !given.includes('tidings:throwAway=false'))
  );
}

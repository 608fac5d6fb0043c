/**
 * `npm run synth | diff | deploy | destroy`: the pinned CDK CLI over all stacks of the hub.
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const HELP = `usage: npm run synth | diff | deploy | destroy [-- CDK OPTIONS]

Runs the pinned AWS CDK CLI over both stacks of the hub, with your AWS credentials and region.
The first deployment into an account and region needs "npx cdk bootstrap" once.

  -c tidings:stage=prod             another hub beside the first (default: dev)
  -c tidings:channelCreation=explicit
  -c tidings:throwAway=true         a hub whose data goes when it is destroyed
All options and their meaning are in lib/config.ts; their values are in cdk.json.`;

const [verb = '', ...options] = process.argv.slice(2);
if (options.includes('--help') || !['synth', 'diff', 'deploy', 'destroy'].includes(verb)) {
  process.stdout.write(`${HELP}\n`);
} else {
  if (verb === 'destroy') {
    process.stderr.write(
      'tables and keys stay, protected, unless the hub was deployed with -c tidings:throwAway=true\n',
    );
  }
  const cdk = spawn('cdk', [verb, '--all', ...(verb === 'synth' ? ['--quiet'] : []), ...options], {
    stdio: 'inherit',
  });
  const [code] = await once(cdk, 'exit');
  process.exitCode = Number(code ?? 1);
}

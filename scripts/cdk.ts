/**
 * `npm run bootstrap | synth | diff | deploy | destroy`: the pinned CDK CLI over all stacks of the hub.
 * @module
 */
import { endWithReader, fail, UsageError } from './cli.ts';
import { readAssembly } from './doctor/assembly.ts';
import { checkUpdate } from './doctor/checks/update.ts';
import { readDeployed } from './doctor/deployed.ts';
import { type Identity, readIdentity } from './doctor/identity.ts';
import { contextArgs, identityArgs, type Options, parseOptions, useIdentity } from './doctor/options.ts';
import { printFindings } from './doctor/print.ts';
import { planRemoval } from './doctor/removal.ts';
import { runDoctor } from './doctor/run.ts';
import { runCdk, synthesize, WITHOUT_APP } from './doctor/synthesize.ts';
import { waitFor } from './terminal/waiting.ts';

const HELP = `usage: npm run bootstrap | synth | diff | deploy | destroy [-- OPTIONS]

Runs the pinned AWS CDK CLI over the stacks of the hub, with your AWS credentials and Region (AWS_PROFILE, AWS_REGION).

  bootstrap  prepares an account for a Region, once
  synth      writes the templates to cdk.out
  diff       shows what a deployment would change, and which data and URLs it would replace
  deploy     runs the doctor (npm run doctor), and deploys if no check fails; --no-doctor skips the doctor
  destroy    deletes the hub; prints which data stays, and the command that deletes it

  --stage NAME              the stage (default: dev): each stage is a separate hub; short for -c tidings:stage=NAME
  -c tidings:edge=false     an option of the template; docs/configuration.md explains all of them
  -c tidings:throwAway=true a hub whose data is deleted with it
  --require-approval never  deploys without a question about IAM changes, for pipelines

Other options are those of the CDK CLI. docs/deploy.md goes through a first deployment.`;

const NO_DOCTOR = '--no-doctor';

type Verb = (options: Options) => Promise<number>;

const VERBS: Readonly<Record<string, Verb>> = {
  bootstrap: async (options) => {
    const { account, region } = await whoIs();
    // Bootstrapping needs no template. The template may not support this Region, and takes time to build.
    return await runCdk(
      `preparing ${region}`,
      ['bootstrap', `aws://${account}/${region}`, ...forCli(options)],
      WITHOUT_APP,
    );
  },

  synth: async (options) => {
    const app = options.app === undefined ? [] : ['--app', options.app];
    return await runCdk('building the functions and the template', [
      'synth',
      '--quiet',
      ...app,
      ...contextArgs(options),
      ...forCli(options),
    ]);
  },

  diff: async (options) => {
    const identity = await whoIs();
    const directory = await synthesize(options);
    const code = await runCdk('comparing with the deployed stacks', [
      'diff',
      '--app',
      directory,
      ...forCli(options),
    ]);
    const assembly = readAssembly(directory);
    const deployed = await waitFor('reading the deployed stacks', readDeployed(assembly));
    printFindings(await checkUpdate({ identity, assembly, deployed }));
    return code;
  },

  deploy: async (options) => {
    const isUnchecked = options.rest.includes(NO_DOCTOR);
    const directory = isUnchecked ? await synthesizeUnchecked(options) : await synthesizeChecked(options);
    const code = await runCdk('deploying, which takes minutes', [
      'deploy',
      '--all',
      '--app',
      directory,
      ...forCli(options),
    ]);
    if (code !== 0)
      process.stderr.write(
        'tidings: the deployment failed; run npm run doctor to see why, and the state of the stacks\n',
      );
    return code;
  },

  destroy: async (options) => {
    await whoIs();
    const directory = await synthesize(options);
    const plan = planRemoval(readAssembly(directory));
    const { text, scope } = await waitFor('reading the deployed stacks', plan);
    process.stderr.write(`${text}\n`);
    return await runCdk('deleting, which takes minutes', [
      'destroy',
      ...scope,
      '--app',
      directory,
      ...forCli(options),
    ]);
  },
};

/** Returns the options that the CDK CLI understands. */
const forCli = (options: Options): readonly string[] => [
  ...identityArgs(options),
  ...options.rest.filter((option) => option !== NO_DOCTOR),
];

function whoIs(): Promise<Identity> {
  return waitFor('asking AWS which account this is', readIdentity());
}

/** Returns the directory of a new assembly, without running the doctor. */
async function synthesizeUnchecked(options: Options): Promise<string> {
  await whoIs();
  return await synthesize(options);
}

/** Returns the directory of a new assembly that no check of the doctor fails. @throws Error if one fails */
async function synthesizeChecked(options: Options): Promise<string> {
  const { directory, hasFailed } = await runDoctor(options);
  if (directory === undefined || hasFailed)
    throw new Error(
      `nothing was deployed, because a check above failed; npm run deploy -- ${NO_DOCTOR} deploys without the checks`,
    );
  return directory;
}

endWithReader();
try {
  const [name = '', ...args] = process.argv.slice(2);
  const verb = VERBS[name];
  if ([name, ...args].some((arg) => arg === '--help' || arg === '-h')) process.stdout.write(`${HELP}\n`);
  else if (verb === undefined)
    throw new UsageError(`"${name}" must be one of ${Object.keys(VERBS).join(', ')}`);
  else {
    const options = parseOptions(args);
    useIdentity(options);
    process.exitCode = await verb(options);
  }
} catch (error) {
  fail(error);
}

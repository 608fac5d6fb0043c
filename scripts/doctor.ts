/**
 * `npm run doctor`: checks whether a deployment to this account and Region would succeed. It only reads.
 * @module
 */
import { endWithReader, fail, UsageError } from './cli.ts';
import { parseOptions, useIdentity } from './doctor/options.ts';
import { runDoctor } from './doctor/run.ts';

const HELP = `usage: npm run doctor [-- OPTIONS]

Checks whether a deployment of this template to your account and Region would succeed. Prints "fine", "warning" or
"failure" for each check, and the command that fixes a warning or a failure. It reads and never writes. npm run deploy runs
it first. The exit code is 1 if the deployment would fail. Uses your AWS credentials and Region (AWS_PROFILE, AWS_REGION).

  --stage NAME              the stage to deploy; short for -c tidings:stage=NAME
  -c tidings:edge=false     an option of the template, as for npm run deploy; cdk.json has them all
  --profile, --region NAME  instead of AWS_PROFILE and AWS_REGION
  --app DIR                 a cloud assembly that cdk synth has written; without it the doctor builds one`;

endWithReader();
try {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) process.stdout.write(`${HELP}\n`);
  else {
    const options = parseOptions(args);
    if (options.rest.length > 0) throw new UsageError(`unknown option ${options.rest[0]}`);
    useIdentity(options);
    process.exitCode = (await runDoctor(options)).hasFailed ? 1 : 0;
  }
} catch (error) {
  fail(error);
}

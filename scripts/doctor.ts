/**
 * `npm run doctor`: says what a deployment would meet in this account and Region. It only reads.
 * @module
 */
import { endWithReader, fail, UsageError } from './cli.ts';
import { consult } from './doctor/consult.ts';
import { parseOptions, useIdentity } from './doctor/options.ts';

const HELP = `usage: npm run doctor [-- OPTIONS]

Says what a deployment of this template would meet in your account and Region: what is fine, what will be otherwise than
expected, and what fails, each with the command that cures it. It reads and never writes; npm run deploy runs it first.
It ends with 1 if something would fail. Uses your AWS credentials and Region (AWS_PROFILE, AWS_REGION).

  --stage NAME              the stage that is to be deployed; short for -c tidings:stage=NAME
  -c tidings:edge=false     an option of the template, as for npm run deploy; cdk.json has them all
  --profile, --region NAME  instead of AWS_PROFILE and AWS_REGION
  --app DIR                 a cloud assembly that cdk synth has written, instead of building one`;

endWithReader();
try {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) process.stdout.write(`${HELP}\n`);
  else {
    const options = parseOptions(args);
    if (options.rest.length > 0) throw new UsageError(`unknown option ${options.rest[0]}`);
    useIdentity(options);
    process.exitCode = (await consult(options)).hasFailed ? 1 : 0;
  }
} catch (error) {
  fail(error);
}

/**
 * The CDK app: reads the configuration once, adds the stacks of one hub.
 * @module
 */
import { App } from 'aws-cdk-lib';
import { type Config, parseConfig } from '../lib/config/config.ts';
import { regionProblems } from '../lib/config/regions.ts';
import { addHub } from '../lib/hub.ts';

/** Ends the app with sentences that tell the operator what to correct, without a stack trace. */
function refuse(sentences: readonly string[]): never {
  process.stderr.write(`tidings: ${sentences.join('\n')}\n`);
  process.exit(1);
}

function configOf(app: App): Config {
  try {
    return parseConfig(app.node.getAllContext());
  } catch (error) {
    return refuse([error instanceof Error ? error.message : String(error)]);
  }
}

// The CLI sets CDK_DEFAULT_REGION, also from a profile. The others are for a run without the CLI.
const { CDK_DEFAULT_REGION, AWS_REGION, AWS_DEFAULT_REGION } = process.env;
const region = CDK_DEFAULT_REGION ?? AWS_REGION ?? AWS_DEFAULT_REGION;

const app = new App({ analyticsReporting: false });
const config = configOf(app);
// The stacks stay independent of the Region: with a Region in them, the CLI would look up context that they do not need.
const problems = region === undefined ? [] : regionProblems(config, region);
if (problems.length > 0) refuse(problems);
addHub(app, app.node.getAllContext());
app.synth();

/**
 * The CDK app: reads the configuration once, adds the stacks of one hub.
 * @module
 */
import { App } from 'aws-cdk-lib';
import { type HubConfig, parseConfig } from '../lib/config.ts';
import { addHub } from '../lib/hub.ts';
import { regionProblems } from '../lib/regions.ts';

/** Ends the app with sentences that say what the operator has to correct; a stack trace would hide them. */
function refuse(sentences: readonly string[]): never {
  process.stderr.write(`tidings: ${sentences.join('\n')}\n`);
  process.exit(1);
}

function configOf(app: App): HubConfig {
  try {
    return parseConfig(app.node.getAllContext());
  } catch (error) {
    return refuse([error instanceof Error ? error.message : String(error)]);
  }
}

// The CLI sets the first, also from a profile; the others are for a run without the CLI.
const { CDK_DEFAULT_REGION, AWS_REGION, AWS_DEFAULT_REGION } = process.env;
const region = CDK_DEFAULT_REGION ?? AWS_REGION ?? AWS_DEFAULT_REGION;

const app = new App({ analyticsReporting: false });
const config = configOf(app);
// The stacks themselves are for any Region: with one in them, the CLI would look up what they do not need.
const problems = region === undefined ? [] : regionProblems(config, region);
if (problems.length > 0) refuse(problems);
addHub(app, config);
app.synth();

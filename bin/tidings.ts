/**
 * The CDK app: reads the configuration once, adds the stacks of one hub.
 * @module
 */
import { App } from 'aws-cdk-lib';
import { type HubConfig, parseConfig } from '../lib/config.ts';
import { addHub } from '../lib/hub.ts';

function configOf(app: App): HubConfig {
  try {
    return parseConfig(app.node.getAllContext());
  } catch (error) {
    // A wrong value is the operator's to mend: the sentence helps, a stack trace would hide it.
    process.stderr.write(`tidings: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

const app = new App({ analyticsReporting: false });
addHub(app, configOf(app));
app.synth();

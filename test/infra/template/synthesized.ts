/**
 * A hub as a template. The functions are not bundled, because bundling takes seconds and changes only hashes.
 * @module
 */
import { App, Validations } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AwsSolutionsChecks } from 'cdk-nag';
import { addHub } from '../../../lib/hub.ts';

/** Context keys and their values. */
export type Context = Readonly<Record<string, unknown>>;

/** The settings of cdk.json. */
export const STRICT = {
  '@aws-cdk/core:validateAgainstDefaultRules': true,
  '@aws-cdk/core:strictCfnValidateErrors': true,
  '@aws-cdk/core:failSynthOnValidationErrors': true,
};

/** No function is bundled. */
export const UNBUNDLED = { 'aws:cdk:bundling-stacks': [] };

function newApp(context: Context): App {
  return new App({ context: { ...UNBUNDLED, ...context }, analyticsReporting: false });
}

/** Returns an app with both stacks that is not synthesized yet. */
export function hubOf(context: Context = {}) {
  const app = newApp(context);
  return { app, ...addHub(app, context) };
}

/** The templates that files in this worker have asked for, as JSON by context. */
const synthesized = new Map<string, { readonly log: string; readonly hub: string }>();

/** Returns the templates of the log and of the hub around it. Each context is synthesized once, and each caller gets a copy. */
export function templatesOf(context: Context = {}): { readonly log: Template; readonly hub: Template } {
  const key = JSON.stringify(context);
  const found = synthesized.get(key) ?? synthesize(context);
  synthesized.set(key, found);
  return { log: Template.fromString(found.log), hub: Template.fromString(found.hub) };
}

function synthesize(context: Context): { readonly log: string; readonly hub: string } {
  const { log, hub } = hubOf(context);
  const [logText, hubText] = [log, hub].map((stack) => JSON.stringify(Template.fromStack(stack).toJSON()));
  return { log: logText ?? '', hub: hubText ?? '' };
}

/** Returns an app as it is deployed: synthesis checks it by CloudFormation's schemas and AwsSolutions. */
export function strictHubOf(context: Context = {}) {
  const app = newApp({ ...STRICT, ...context });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return { app, ...addHub(app, context) };
}

/** Returns the properties of every resource of a type. */
export const propertiesOf = (template: Template, type: string): Record<string, unknown>[] =>
  Object.values(template.findResources(type)).map((resource) => resource.Properties ?? {});

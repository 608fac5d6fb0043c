/**
 * A hub as a template. The functions are not bundled: that takes seconds, and does not change the template.
 * @module
 */
import { App, Validations } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AwsSolutionsChecks } from 'cdk-nag';
import { parseConfig } from '../../lib/config/config.ts';
import { addHub } from '../../lib/hub.ts';

export type Context = Readonly<Record<string, unknown>>;

/** As cdk.json has it for every deployment. */
const STRICT = {
  '@aws-cdk/core:validateAgainstDefaultRules': true,
  '@aws-cdk/core:strictCfnValidateErrors': true,
  '@aws-cdk/core:failSynthOnValidationErrors': true,
};

function newApp(context: Context): App {
  return new App({ context: { 'aws:cdk:bundling-stacks': [], ...context }, analyticsReporting: false });
}

/** The app with both stacks, which is not synthesized yet. */
export function hubOf(context: Context = {}) {
  const app = newApp(context);
  return { app, ...addHub(app, parseConfig(context)) };
}

/** Both templates, of the log and of the hub around it. */
export function templatesOf(context: Context = {}): { readonly log: Template; readonly hub: Template } {
  const { log, hub } = hubOf(context);
  return { log: Template.fromStack(log), hub: Template.fromStack(hub) };
}

/** An app as it is deployed: CloudFormation's schemas and AwsSolutions look at it when it is synthesized. */
export function strictHubOf(context: Context = {}) {
  const app = newApp({ ...STRICT, ...context });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return { app, ...addHub(app, parseConfig(context)) };
}

/** Returns the properties of every resource of a type. */
export const propertiesOf = (template: Template, type: string): Record<string, unknown>[] =>
  Object.values(template.findResources(type)).map((resource) => resource.Properties ?? {});

/**
 * The functions in a synthesized assembly: their bundles, and environments with which they start.
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Fields, fieldsOf } from '../../protocol/fields.ts';

/** A function of the hub. */
export interface BundledFunction {
  /** The file of its handler. */
  readonly file: string;
  /** Its environment. Names of resources, which only a deployment knows, are all the same URL. */
  readonly environment: Readonly<Record<string, string>>;
}

const ANY_RESOURCE = 'https://resource.example/name';

/** Returns the functions of an assembly by the names of their constructs, such as `Publish`. */
export function functionsIn(assembly: string): ReadonlyMap<string, BundledFunction> {
  const templates = readdirSync(assembly).filter((name) => name.endsWith('.template.json'));
  const resources = templates.flatMap((name) =>
    Object.values(fieldsOf(fieldsOf(JSON.parse(readFileSync(join(assembly, name), 'utf8'))).Resources)),
  );
  return new Map(resources.map(fieldsOf).flatMap((resource) => entryOf(assembly, resource)));
}

function entryOf(assembly: string, { Type, Metadata, Properties }: Fields): [string, BundledFunction][] {
  const [, name] = String(fieldsOf(Metadata)['aws:cdk:path']).split('/');
  if (Type !== 'AWS::Lambda::Function' || name === undefined) return [];
  const { Code, Environment } = fieldsOf(Properties);
  const asset = `asset.${String(fieldsOf(Code).S3Key).replace(/\.zip$/, '')}`;
  const variables = Object.entries(fieldsOf(fieldsOf(Environment).Variables));
  const environment = Object.fromEntries(
    variables.map(([variable, value]) => [variable, typeof value === 'string' ? value : ANY_RESOURCE]),
  );
  return [[name, { file: join(assembly, asset, 'index.mjs'), environment }]];
}

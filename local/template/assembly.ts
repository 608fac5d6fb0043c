/**
 * Reads a cloud assembly (`cdk.out`), as `cdk synth` wrote it: stacks, their resources, and the directories of code assets.
 * @module
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  isObject,
  type JsonObject,
  objectOr,
  parseJson,
  requireObject,
  requireString,
  stringOr,
} from './json.ts';

/** One resource of a template, before its intrinsic functions are resolved. */
export interface Resource {
  /** Name of its stack. */
  readonly stack: string;
  /** Its key in the template. */
  readonly logicalId: string;
  /** Construct path without the trailing `/Resource` and without `Default`: `Stack/Publish` for the function of construct `Publish`. */
  readonly path: string;
  /** Type of CloudFormation, such as `AWS::SQS::Queue`. */
  readonly type: string;
  /** With intrinsic functions, unless it is {@link Resolved}. */
  readonly properties: JsonObject;
}

/** A resource with its intrinsic functions resolved. */
export interface Resolved extends Resource {
  /** Physical name: the one that the template gives, else one that follows from stack and logical id. */
  readonly name: string;
}

/** One output of a template. Its intrinsic functions are not resolved. */
export interface Output {
  /** Its key in the template. */
  readonly logicalId: string;
  /** A text, or an intrinsic function. */
  readonly value: unknown;
  /** Name for `Fn::ImportValue`; undefined if the output is not exported. */
  readonly exportName: unknown;
}

/** The template of one stack. */
export interface StackTemplate {
  /** Name of the stack on AWS. */
  readonly name: string;
  /** By logical id, in the order of the template. */
  readonly resources: ReadonlyMap<string, Resource>;
  /** In the order of the template. */
  readonly outputs: readonly Output[];
  /** Defaults by name. CDK adds a parameter for the bootstrap version, which has no effect here. */
  readonly parameters: ReadonlyMap<string, unknown>;
}

/** All stacks of an app. */
export interface Assembly {
  /** In the order of the manifest. */
  readonly stacks: readonly StackTemplate[];
  /**
   * Returns the directory with the code of a function.
   * @throws Error if the key belongs to no directory of the assembly
   */
  codeDirectory(s3Key: string): string;
  /** The directory of the assembly, which the local stack may write to. */
  readonly directory: string;
}

const SECTIONS = new Set([
  'AWSTemplateFormatVersion',
  'Description',
  'Metadata',
  'Resources',
  'Outputs',
  'Parameters',
  'Rules', // the bootstrap version check
  'Conditions', // only AWS::CDK::Metadata may use one, see below
]);

const RESOURCE_KEYS = new Set([
  'Type',
  'Properties',
  'Metadata',
  'DependsOn', // everything is started in one fixed order
  'DeletionPolicy',
  'UpdateReplacePolicy',
]);

/**
 * Reads the assembly in `directory`.
 * @throws Error with one sentence for a section, an attribute or an artifact that is not understood
 */
export function readAssembly(directory: string): Assembly {
  const manifest = readObject(join(directory, 'manifest.json'));
  const stacks: StackTemplate[] = [];
  const code = new Map<string, string>();
  for (const [id, entry] of Object.entries(objectOr(manifest.artifacts))) {
    const artifact = requireObject(entry, `artifact ${id}`);
    const properties = objectOr(artifact.properties);
    if (artifact.type === 'aws:cloudformation:stack') {
      stacks.push(readStack(directory, id, artifact, properties));
    } else if (artifact.type === 'cdk:asset-manifest') {
      addCode(directory, requireString(properties.file, `file of ${id}`), code);
    } else if (artifact.type === 'cdk:cloud-assembly') {
      throw new Error(
        `the assembly nests ${id}: stages are not understood, put the stacks into the app itself`,
      );
    }
  }
  return {
    stacks,
    directory,
    codeDirectory(s3Key) {
      const found = code.get(s3Key);
      if (found !== undefined) return found;
      throw new Error(
        `no asset with the key ${s3Key} in ${directory}: only code from a directory can be run`,
      );
    },
  };
}

function readObject(file: string): JsonObject {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new Error(`cannot read ${file}: synthesize the app first`);
  }
  return requireObject(parseJson(text), file);
}

function readStack(
  directory: string,
  id: string,
  artifact: JsonObject,
  properties: JsonObject,
): StackTemplate {
  const name = stringOr(properties.stackName, id);
  const template = readObject(
    join(directory, requireString(properties.templateFile, `templateFile of ${id}`)),
  );
  for (const section of Object.keys(template)) {
    if (!SECTIONS.has(section))
      throw new Error(`stack ${name} has the section ${section}, which is not understood`);
  }
  const paths = constructPaths(directory, artifact);
  const resources = new Map<string, Resource>();
  for (const [logicalId, entry] of Object.entries(objectOr(template.Resources))) {
    const resource = readResource(name, logicalId, requireObject(entry, `${name}/${logicalId}`), paths);
    resources.set(logicalId, resource);
  }
  const outputs = Object.entries(objectOr(template.Outputs)).map(([logicalId, entry]) => {
    const output = requireObject(entry, `output ${logicalId} of ${name}`);
    return { logicalId, value: output.Value, exportName: objectOr(output.Export).Name };
  });
  const parameters = Object.entries(objectOr(template.Parameters)).map(
    ([key, entry]) => [key, objectOr(entry).Default] as const,
  );
  return { name, resources, outputs, parameters: new Map(parameters) };
}

function readResource(
  stack: string,
  logicalId: string,
  entry: JsonObject,
  paths: Map<string, string>,
): Resource {
  const type = requireString(entry.Type, `type of ${stack}/${logicalId}`);
  const written = stringOr(objectOr(entry.Metadata)['aws:cdk:path'], paths.get(logicalId));
  // The CDK also leaves "Default" out of logical ids and names.
  const path = (written ?? `${stack}/${logicalId}`)
    .replace(/\/Resource$/, '')
    .replace(/\/Default(?=\/|$)/g, '');
  for (const key of Object.keys(entry)) {
    const known = RESOURCE_KEYS.has(key) || (key === 'Condition' && type === 'AWS::CDK::Metadata');
    if (!known)
      throw new Error(`${stack}/${logicalId} (${path}, ${type}) has ${key}, which is not understood`);
  }
  return { stack, logicalId, path, type, properties: objectOr(entry.Properties) };
}

/** Returns logical id → construct path, for a template without path metadata. */
function constructPaths(directory: string, artifact: JsonObject): Map<string, string> {
  const file = artifact.additionalMetadataFile;
  const metadata = typeof file === 'string' ? readObject(join(directory, file)) : objectOr(artifact.metadata);
  const paths = new Map<string, string>();
  for (const [path, entries] of Object.entries(metadata)) {
    for (const entry of Array.isArray(entries) ? entries : []) {
      if (isObject(entry) && entry.type === 'aws:cdk:logicalId' && typeof entry.data === 'string') {
        paths.set(entry.data, path.replace(/^\//, ''));
      }
    }
  }
  return paths;
}

function addCode(directory: string, file: string, code: Map<string, string>): void {
  for (const entry of Object.values(objectOr(readObject(join(directory, file)).files))) {
    const asset = objectOr(entry);
    const source = objectOr(asset.source);
    if (source.packaging !== 'zip' || typeof source.path !== 'string') continue;
    for (const destination of Object.values(objectOr(asset.destinations))) {
      const key = objectOr(destination).objectKey;
      if (typeof key === 'string') code.set(key, join(directory, source.path));
    }
  }
}

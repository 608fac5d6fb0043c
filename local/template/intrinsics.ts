/**
 * Resolves the intrinsic functions that CDK writes into templates, and refuses all others.
 * @module
 */
import type { Assembly, Resource, StackTemplate } from './assembly.ts';
import { isObject, type JsonObject, requireString } from './json.ts';

/** The values by which a template refers to a resource. */
export interface References {
  /** Returns the value of `Ref`. */
  ref(resource: Resource): string;
  /**
   * Returns the value of `Fn::GetAtt`.
   * @throws Error for an attribute that is not understood
   */
  attribute(resource: Resource, name: string): string;
}

/** Account and Region in all ARNs. AWS gives this account number to nobody. */
export const ACCOUNT = '000000000000';
/** The Region in all ARNs. The publish quota may be that of another Region. */
export const LOCAL_REGION = 'us-east-1';

const PSEUDO: Readonly<Record<string, string>> = {
  'AWS::AccountId': ACCOUNT,
  'AWS::Region': LOCAL_REGION,
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
};

/** Attributes with the value of a property. They are resolved here, because the property may be an intrinsic function. */
const REPEATED: Readonly<Record<string, string>> = { 'AWS::Lambda::Url.FunctionArn': 'TargetFunctionArn' };

/** Returns a value of the template of `stack` with all intrinsic functions resolved. Throws for one that is not understood. */
export type Resolver = (stack: StackTemplate, value: unknown) => unknown;

/** The place of a value: its stack, and all that the stack may refer to. */
interface Scope {
  readonly stack: StackTemplate;
  readonly assembly: Assembly;
  readonly references: References;
  readonly rewrite: (text: string) => string;
}

/**
 * Returns a resolver for all stacks of the assembly, so that one stack can import an export of another.
 * @param rewrite changes each text that `Fn::Join` or `Fn::Sub` composes
 */
export const createResolver =
  (
    assembly: Assembly,
    references: References,
    rewrite: (text: string) => string = (text) => text,
  ): Resolver =>
  (stack, value) =>
    resolve({ stack, assembly, references, rewrite }, value);

function resolve(scope: Scope, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => resolve(scope, item));
  if (!isObject(value)) return value;
  const [key, ...rest] = Object.keys(value);
  if (
    key !== undefined &&
    rest.length === 0 &&
    (key === 'Ref' || key === 'Condition' || key.startsWith('Fn::'))
  ) {
    return callIntrinsic(scope, key, value[key]);
  }
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, resolve(scope, item)]));
}

function resolveText(scope: Scope, value: unknown, what: string): string {
  return requireString(resolve(scope, value), `${what} in stack ${scope.stack.name}`);
}

function callIntrinsic(scope: Scope, key: string, argument: unknown): unknown {
  const intrinsic = INTRINSICS[key];
  if (intrinsic !== undefined) return intrinsic(scope, argument);
  throw new Error(
    `stack ${scope.stack.name} uses ${key}, which is not understood: ${JSON.stringify(argument)}`,
  );
}

const INTRINSICS: Readonly<Record<string, (scope: Scope, argument: unknown) => unknown>> = {
  Ref: (scope, argument) => reference(scope, requireString(argument, 'the argument of Ref')),
  'Fn::GetAtt': getAttribute,
  'Fn::Join': join,
  'Fn::Sub': substitute,
  'Fn::ImportValue': importValue,
  'Fn::Select': select,
  'Fn::Split': split,
};

function reference({ stack, references }: Scope, name: string): unknown {
  if (name === 'AWS::StackName') return stack.name;
  if (name === 'AWS::StackId')
    return `arn:aws:cloudformation:${LOCAL_REGION}:${ACCOUNT}:stack/${stack.name}/local`;
  if (name === 'AWS::NoValue') return undefined;
  const pseudo = PSEUDO[name];
  if (pseudo !== undefined) return pseudo;
  if (stack.parameters.has(name)) return stack.parameters.get(name);
  return references.ref(resourceOf(stack, name));
}

function getAttribute(scope: Scope, argument: unknown): string {
  const parts = typeof argument === 'string' ? splitOnce(argument, '.') : argument;
  const [id, attribute] = Array.isArray(parts) ? parts : [];
  const resource = resourceOf(scope.stack, requireString(id, 'the resource of Fn::GetAtt'));
  const name = requireString(attribute, 'the attribute of Fn::GetAtt');
  const property = REPEATED[`${resource.type}.${name}`];
  if (property !== undefined) return resolveText(scope, resource.properties[property], property);
  return scope.references.attribute(resource, name);
}

function join(scope: Scope, argument: unknown): string {
  const [separator, items] = pair(argument, 'Fn::Join');
  const list = resolve(scope, items);
  if (!Array.isArray(list)) throw new Error(`Fn::Join in stack ${scope.stack.name} joins no list`);
  return scope.rewrite(
    list.map((item) => String(item)).join(requireString(separator, 'the separator of Fn::Join')),
  );
}

function substitute(scope: Scope, argument: unknown): string {
  const [template, extra] = Array.isArray(argument) ? argument : [argument, {}];
  const variables: JsonObject = isObject(extra) ? extra : {};
  const composed = requireString(template, 'the text of Fn::Sub').replace(
    /\$\{([^}]*)\}/g,
    (_, name: string) => {
      if (name.startsWith('!')) return `\${${name.slice(1)}}`;
      if (name in variables) return String(resolve(scope, variables[name]));
      return String(name.includes('.') ? getAttribute(scope, name) : reference(scope, name));
    },
  );
  return scope.rewrite(composed);
}

function importValue(scope: Scope, argument: unknown): unknown {
  const name = resolveText(scope, argument, 'Fn::ImportValue');
  for (const stack of scope.assembly.stacks) {
    const exporter = { ...scope, stack };
    for (const { exportName, value } of stack.outputs) {
      if (exportName !== undefined && resolve(exporter, exportName) === name) return resolve(exporter, value);
    }
  }
  throw new Error(`no stack exports ${name}`);
}

function select(scope: Scope, argument: unknown): unknown {
  const [index, items] = pair(argument, 'Fn::Select');
  const list = resolve(scope, items);
  const position = Number(resolve(scope, index));
  if (!Array.isArray(list) || !(position in list)) {
    throw new Error(
      `Fn::Select in stack ${scope.stack.name} takes item ${position} of ${JSON.stringify(list)}`,
    );
  }
  return list[position];
}

function split(scope: Scope, argument: unknown): string[] {
  const [separator, value] = pair(argument, 'Fn::Split');
  const text = resolveText(scope, value, 'Fn::Split');
  return text.split(requireString(separator, 'the separator of Fn::Split'));
}

function resourceOf(stack: StackTemplate, logicalId: string): Resource {
  const resource = stack.resources.get(logicalId);
  if (resource !== undefined) return resource;
  throw new Error(`stack ${stack.name} refers to ${logicalId}, which it does not have`);
}

function pair(argument: unknown, name: string): [unknown, unknown] {
  if (Array.isArray(argument) && argument.length === 2) return [argument[0], argument[1]];
  throw new Error(`${name} takes two arguments, got ${JSON.stringify(argument)}`);
}

function splitOnce(value: string, separator: string): [string, string] {
  const at = value.indexOf(separator);
  return at < 0 ? [value, ''] : [value.slice(0, at), value.slice(at + 1)];
}

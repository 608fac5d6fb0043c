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

/**
 * Returns a resolver for all stacks of the assembly, so that one stack can import an export of another.
 * @param rewrite changes each text that `Fn::Join` or `Fn::Sub` composes
 */
export function createResolver(
  assembly: Assembly,
  references: References,
  rewrite: (text: string) => string = (text) => text,
): Resolver {
  const resolve: Resolver = (stack, value) => {
    if (Array.isArray(value)) return value.map((item) => resolve(stack, item));
    if (!isObject(value)) return value;
    const [key, ...rest] = Object.keys(value);
    if (
      key !== undefined &&
      rest.length === 0 &&
      (key === 'Ref' || key === 'Condition' || key.startsWith('Fn::'))
    ) {
      return intrinsic(stack, key, value[key]);
    }
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, resolve(stack, item)]));
  };

  const text = (stack: StackTemplate, value: unknown, what: string) =>
    requireString(resolve(stack, value), `${what} in stack ${stack.name}`);

  function intrinsic(stack: StackTemplate, key: string, argument: unknown): unknown {
    switch (key) {
      case 'Ref':
        return reference(stack, requireString(argument, 'the argument of Ref'));
      case 'Fn::GetAtt':
        return getAttribute(stack, argument);
      case 'Fn::Join':
        return join(stack, argument);
      case 'Fn::Sub':
        return substitute(stack, argument);
      case 'Fn::ImportValue':
        return importValue(text(stack, argument, 'Fn::ImportValue'));
      case 'Fn::Select':
        return select(stack, argument);
      case 'Fn::Split':
        return split(stack, argument);
      default:
        throw new Error(
          `stack ${stack.name} uses ${key}, which is not understood: ${JSON.stringify(argument)}`,
        );
    }
  }

  function reference(stack: StackTemplate, name: string): unknown {
    if (name === 'AWS::StackName') return stack.name;
    if (name === 'AWS::StackId')
      return `arn:aws:cloudformation:${LOCAL_REGION}:${ACCOUNT}:stack/${stack.name}/local`;
    if (name === 'AWS::NoValue') return undefined;
    const pseudo = PSEUDO[name];
    if (pseudo !== undefined) return pseudo;
    if (stack.parameters.has(name)) return stack.parameters.get(name);
    return references.ref(resourceOf(stack, name));
  }

  function getAttribute(stack: StackTemplate, argument: unknown): string {
    const parts = typeof argument === 'string' ? splitOnce(argument, '.') : argument;
    const [id, attribute] = Array.isArray(parts) ? parts : [];
    const resource = resourceOf(stack, requireString(id, 'the resource of Fn::GetAtt'));
    const name = requireString(attribute, 'the attribute of Fn::GetAtt');
    const property = REPEATED[`${resource.type}.${name}`];
    if (property !== undefined) return text(stack, resource.properties[property], property);
    return references.attribute(resource, name);
  }

  function join(stack: StackTemplate, argument: unknown): string {
    const [separator, items] = pair(argument, 'Fn::Join');
    const list = resolve(stack, items);
    if (!Array.isArray(list)) throw new Error(`Fn::Join in stack ${stack.name} joins no list`);
    return rewrite(
      list.map((item) => String(item)).join(requireString(separator, 'the separator of Fn::Join')),
    );
  }

  function substitute(stack: StackTemplate, argument: unknown): string {
    const [template, extra] = Array.isArray(argument) ? argument : [argument, {}];
    const variables: JsonObject = isObject(extra) ? extra : {};
    const composed = requireString(template, 'the text of Fn::Sub').replace(
      /\$\{([^}]*)\}/g,
      (_, name: string) => {
        if (name.startsWith('!')) return `\${${name.slice(1)}}`;
        if (name in variables) return String(resolve(stack, variables[name]));
        return String(name.includes('.') ? getAttribute(stack, name) : reference(stack, name));
      },
    );
    return rewrite(composed);
  }

  function importValue(name: string): unknown {
    for (const stack of assembly.stacks) {
      for (const output of stack.outputs) {
        if (output.exportName !== undefined && resolve(stack, output.exportName) === name) {
          return resolve(stack, output.value);
        }
      }
    }
    throw new Error(`no stack exports ${name}`);
  }

  function select(stack: StackTemplate, argument: unknown): unknown {
    const [index, items] = pair(argument, 'Fn::Select');
    const list = resolve(stack, items);
    const position = Number(resolve(stack, index));
    if (!Array.isArray(list) || !(position in list)) {
      throw new Error(`Fn::Select in stack ${stack.name} takes item ${position} of ${JSON.stringify(list)}`);
    }
    return list[position];
  }

  function split(stack: StackTemplate, argument: unknown): string[] {
    const [separator, value] = pair(argument, 'Fn::Split');
    return text(stack, value, 'Fn::Split').split(requireString(separator, 'the separator of Fn::Split'));
  }

  return resolve;
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

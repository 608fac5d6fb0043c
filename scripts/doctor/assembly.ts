/**
 * The parts of a cloud assembly (the output of `cdk synth`) that the checks need.
 * @module
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Fields, fieldsOf } from '../../protocol/fields.ts';

/** A resource of a template. */
export interface Resource {
  /** Its logical id. */
  readonly id: string;
  /** Its CloudFormation type. */
  readonly type: string;
  /** Its properties, as in the template. */
  readonly properties: Fields;
  /** True if CloudFormation retains the resource when the stack does not have it any more, or replaces it. */
  readonly isRetained: boolean;
}

/** A stack and its template. */
export interface StackTemplate {
  /** The name of the stack. */
  readonly name: string;
  /** The parsed template. */
  readonly template: Fields;
  /** The resources of the template. */
  readonly resources: readonly Resource[];
}

/** A cloud assembly. */
export interface Assembly {
  /** All stacks of the hub. */
  readonly stacks: readonly StackTemplate[];
  /** The bootstrap version that the assembly needs, and the SSM parameter that holds the version of the account. */
  readonly bootstrap: { readonly version: number; readonly parameter: string };
}

/**
 * Reads the assembly in a directory.
 * @throws Error if the directory has none
 */
export function readAssembly(directory: string): Assembly {
  const artifacts = Object.entries(fieldsOf(readJson(join(directory, 'manifest.json')).artifacts)).map(
    ([id, artifact]) => ({ id, type: fieldsOf(artifact).type, has: fieldsOf(fieldsOf(artifact).properties) }),
  );
  const stacks = artifacts
    .filter(({ type }) => type === 'aws:cloudformation:stack')
    .map(({ id, has }) =>
      stackOf(textOr(has.stackName, id), readJson(join(directory, textOr(has.templateFile, '')))),
    );
  const versions = artifacts.map(({ has }) => Number(has.requiresBootstrapStackVersion ?? 0));
  const parameter = artifacts.map(({ has }) => textOr(has.bootstrapStackVersionSsmParameter, ''));
  return {
    stacks,
    bootstrap: { version: Math.max(0, ...versions), parameter: parameter.find((name) => name !== '') ?? '' },
  };
}

/**
 * Returns a stack and its resources.
 * @param template a deployed template, or one of the assembly
 */
export function stackOf(name: string, template: Fields): StackTemplate {
  const resources = Object.entries(fieldsOf(template.Resources)).map(([id, resource]) => {
    const { Type, Properties, DeletionPolicy } = fieldsOf(resource);
    return {
      id,
      type: textOr(Type, ''),
      properties: fieldsOf(Properties),
      isRetained: /^Retain/.test(textOr(DeletionPolicy, '')),
    };
  });
  return { name, template, resources };
}

/** Returns all resources of a type. */
export const resourcesOf = (stacks: readonly StackTemplate[], type: string): readonly Resource[] =>
  stacks.flatMap(({ resources }) => resources).filter((resource) => resource.type === type);

/** Returns the number of concurrent executions that the functions of these stacks reserve. */
export const reservedBy = (stacks: readonly StackTemplate[]): number =>
  resourcesOf(stacks, 'AWS::Lambda::Function').reduce(
    (sum, { properties }) => sum + Number(properties.ReservedConcurrentExecutions ?? 0),
    0,
  );

/**
 * Returns the throttling settings of all routes, `default` included: `rate` in requests per second, `burst` in
 * requests.
 */
export function ratesOf(
  stacks: readonly StackTemplate[],
): readonly { route: string; rate: number; burst: number }[] {
  return resourcesOf(stacks, 'AWS::ApiGatewayV2::Stage').flatMap(({ properties }) =>
    Object.entries({ ...fieldsOf(properties.RouteSettings), default: properties.DefaultRouteSettings }).map(
      ([route, settings]) => {
        const { ThrottlingRateLimit: rate, ThrottlingBurstLimit: burst } = fieldsOf(settings);
        return { route, rate: Number(rate ?? 0), burst: Number(burst ?? 0) };
      },
    ),
  );
}

const textOr = (value: unknown, fallback: string): string => (typeof value === 'string' ? value : fallback);

function readJson(file: string): Fields {
  try {
    return fieldsOf(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    throw new Error(`${file} cannot be read: it must be a file of a cloud assembly, as cdk synth writes it`);
  }
}

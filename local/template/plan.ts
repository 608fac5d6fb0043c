/**
 * Makes the plan of the local stack: the resources of all templates with resolved values. Functions and roles are checked.
 * @module
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decide, parsePolicy, type Statement } from '../iam/iam.ts';
import { REQUEST_KEYS, refuseUnknownKeys } from '../iam/iam-conditions.ts';
import type { Assembly, Resolved, StackTemplate } from './assembly.ts';
import type { Resolver } from './intrinsics.ts';
import { asList, type JsonObject, numberOr, objectOr, requireString, stringOr, stringsOf } from './json.ts';
import { arnOf, physicalName } from './names.ts';
import { type ResourcePolicies, readResourcePolicies } from './resource-policies.ts';
import { describeResource } from './resources.ts';

/** The role of a function. */
export interface Role {
  /** Physical name. */
  readonly name: string;
  /** The statements of its managed, inline and attached policies. */
  readonly statements: readonly Statement[];
}

/** One function of a template. */
export interface FunctionPlan {
  /** Construct path, by which log lines, records and faults name the function. */
  readonly path: string;
  /** Physical name. */
  readonly name: string;
  /** ARN by which gateways and event source mappings invoke it. */
  readonly arn: string;
  /** The role whose policies decide about the AWS calls of the function. */
  readonly role: Role;
  /** Directory with its code. */
  readonly directory: string;
  /** `file.export` */
  readonly handler: string;
  /** The environment variables of the template. */
  readonly environment: Readonly<Record<string, string>>;
  /** Memory in MB. The function can read it, but the local stack does not limit memory. */
  readonly memoryMb: number;
  /** Time limit of an invocation in milliseconds. */
  readonly timeoutMs: number;
  /** Highest number of invocations at the same time. Undefined if only the limit of the account applies. */
  readonly reservedConcurrency: number | undefined;
  /** Name of the log group. */
  readonly logGroup: string;
  /** True if no template has the log group. Lambda then creates it, and the role must allow that. */
  readonly createsLogGroup: boolean;
  /** True if Lambda sends traces. The role must allow that. */
  readonly isTraced: boolean;
}

/** Returns the construct path without the stack. Log lines begin with it. */
export const shortName = ({ path }: FunctionPlan): string => path.split('/').slice(1).join('/') || path;

/** The resolved resources of all templates. */
export interface Plan {
  /** All functions by ARN. */
  readonly functions: ReadonlyMap<string, FunctionPlan>;
  /** The policies of topics, queues and functions. */
  readonly resourcePolicies: ResourcePolicies;
  /** Returns all resources of a type, in the order of the templates. */
  all(type: string): readonly Resolved[];
  /** The outputs of all stacks, by logical id. */
  readonly outputs: Readonly<Record<string, string>>;
}

/** @see https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html */
const DEFAULT_TIMEOUT_S = 3;
/** @see https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html */
const DEFAULT_MEMORY_MB = 128;

/**
 * Resolves the whole assembly, before a process or a service starts.
 * @throws Error with one sentence for a mistake in the templates
 */
export function createPlan(assembly: Assembly, resolve: Resolver): Plan {
  const resources = assembly.stacks.flatMap((stack) => resolveResources(stack, resolve));
  const all = (type: string) => resources.filter((resource) => resource.type === type);
  const roles = readRoles(all('AWS::IAM::Role'), all('AWS::IAM::Policy'));
  const logGroups = new Set(all('AWS::Logs::LogGroup').map(({ name }) => name));
  const functions = all('AWS::Lambda::Function').map((resource) =>
    readFunction(resource, assembly, roles, logGroups),
  );
  const outputs: Record<string, string> = {};
  for (const stack of assembly.stacks) {
    for (const output of stack.outputs) outputs[output.logicalId] = String(resolve(stack, output.value));
  }
  return {
    functions: new Map(functions.map((entry) => [entry.arn, entry])),
    resourcePolicies: readResourcePolicies(all),
    all,
    outputs,
  };
}

function resolveResources(stack: StackTemplate, resolve: Resolver): Resolved[] {
  const known = [...stack.resources.values()].filter(({ type }) => type !== 'AWS::CDK::Metadata');
  return known.map((resource) => ({
    ...resource,
    name: physicalName(resource),
    properties: objectOr(resolve(stack, resource.properties)),
  }));
}

/** The managed policies that the local stack knows. AWS has their documents; the template has only their ARNs. */
const MANAGED: Readonly<Record<string, unknown>> = {
  'arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole': {
    Statement: {
      Effect: 'Allow',
      Action: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
      Resource: '*',
    },
  },
};

function readRoles(roles: readonly Resolved[], policies: readonly Resolved[]): Map<string, Role> {
  const statements = new Map<string, Statement[]>();
  for (const role of roles) statements.set(role.name, [...managedPolicies(role), ...inlinePolicies(role)]);
  for (const policy of policies) {
    const parsed = parsePolicy(policy.properties.PolicyDocument, describeResource(policy));
    for (const name of stringsOf(policy.properties.Roles, `a role of ${describeResource(policy)}`)) {
      const attached = statements.get(name);
      if (attached === undefined)
        throw new Error(`${describeResource(policy)} is attached to ${name}, which no template has`);
      attached.push(...parsed);
    }
  }
  for (const [name, list] of statements) refuseUnknownKeys(list, REQUEST_KEYS, `role ${name}`);
  return new Map(
    roles.map((role) => [arnOf(role), { name: role.name, statements: statements.get(role.name) ?? [] }]),
  );
}

function managedPolicies(role: Resolved): Statement[] {
  return stringsOf(
    role.properties.ManagedPolicyArns,
    `a managed policy of ${describeResource(role)}`,
  ).flatMap((arn) => {
    const document = MANAGED[arn];
    if (document === undefined)
      throw new Error(`${describeResource(role)} has the managed policy ${arn}, which is not known here`);
    return parsePolicy(document, arn);
  });
}

function inlinePolicies(role: Resolved): Statement[] {
  return asList(role.properties.Policies).flatMap((policy) => {
    return parsePolicy(objectOr(policy).PolicyDocument, describeResource(role));
  });
}

function readFunction(
  resource: Resolved,
  assembly: Assembly,
  roles: Map<string, Role>,
  logGroups: ReadonlySet<string>,
): FunctionPlan {
  const { properties, name } = resource;
  const at = describeResource(resource);
  const runtime = requireString(properties.Runtime, `Runtime of ${at}`);
  if (!runtime.startsWith('nodejs'))
    throw new Error(`${at} has the runtime ${runtime}; only nodejs runtimes run here`);
  const role = roles.get(requireString(properties.Role, `Role of ${at}`));
  if (role === undefined)
    throw new Error(`${at} has the role ${String(properties.Role)}, which no template has`);
  const directory = codeOf(resource, assembly);
  if (!existsSync(directory)) throw new Error(`${at} needs its code in ${directory}, which does not exist`);
  const reserved = properties.ReservedConcurrentExecutions;
  const logging = objectOr(properties.LoggingConfig);
  const logGroup = stringOr(logging.LogGroup, `/aws/lambda/${name}`);
  return {
    path: resource.path,
    name,
    arn: arnOf(resource),
    role,
    directory,
    handler: requireString(properties.Handler, `Handler of ${at}`),
    environment: { ...readEnvironment(properties, at), ...loggingEnvironment(logging) },
    memoryMb: numberOr(properties.MemorySize, DEFAULT_MEMORY_MB, `MemorySize of ${at}`),
    timeoutMs: numberOr(properties.Timeout, DEFAULT_TIMEOUT_S, `Timeout of ${at}`) * 1_000,
    reservedConcurrency: reserved === undefined ? undefined : numberOr(reserved, 0, `concurrency of ${at}`),
    logGroup,
    createsLogGroup: !logGroups.has(logGroup),
    isTraced: isTraced(properties, role, at),
  };
}

/**
 * Returns the directory with the code of a function. Code that is in the template itself becomes a file: `index`, as on AWS.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-code.html
 */
function codeOf(resource: Resolved, assembly: Assembly): string {
  const { ZipFile, S3Key } = objectOr(resource.properties.Code);
  if (typeof ZipFile !== 'string')
    return assembly.codeDirectory(requireString(S3Key, `S3Key of ${describeResource(resource)}`));
  const directory = join(assembly.directory, `inline.${resource.name}`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'index.js'), ZipFile);
  // Without it the package around the assembly decides whether the file is a module.
  writeFileSync(join(directory, 'package.json'), '{}');
  return directory;
}

/** The actions that active tracing needs. https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html */
export const TRACE_ACTIONS = ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'];

/** Returns true for active tracing. @throws Error if the role may not send traces: then Lambda does not create the function */
function isTraced(properties: JsonObject, { statements }: Role, at: string): boolean {
  if (objectOr(properties.TracingConfig).Mode !== 'Active') return false;
  // The trace actions have no resource-level permissions, so only the policies of the role decide.
  const call = { requester: { kind: 'anybody' }, resource: '*', context: {} } as const;
  const missing = TRACE_ACTIONS.find((action) => !decide(statements, [], { ...call, action }).allowed);
  if (missing !== undefined) throw new Error(`${at} is traced, and its role may not do ${missing}`);
  return true;
}

function readEnvironment(properties: JsonObject, at: string): Record<string, string> {
  const variables = objectOr(objectOr(properties.Environment).Variables);
  const strings = Object.entries(variables).map(([name, value]) => {
    return [name, requireString(value, `environment variable ${name} of ${at}`)] as const;
  });
  return Object.fromEntries(strings);
}

/** @see https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html */
function loggingEnvironment(logging: JsonObject): Record<string, string> {
  const format = logging.LogFormat;
  const level = logging.ApplicationLogLevel;
  return {
    ...(typeof format === 'string' && { AWS_LAMBDA_LOG_FORMAT: format }),
    ...(typeof level === 'string' && { AWS_LAMBDA_LOG_LEVEL: level }),
  };
}

/**
 * The deployed stacks: their state, outputs and templates.
 * @module
 */
import {
  CloudFormationClient,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  GetTemplateCommand,
  type Stack,
} from '@aws-sdk/client-cloudformation';
import { parse } from 'yaml';
import { fieldsOf } from '../../protocol/fields.ts';
import { type Assembly, type StackTemplate, stackOf } from './assembly.ts';
import { BOUNDED, callAws } from './call.ts';

/** A stack in the account. */
export interface DeployedStack extends StackTemplate {
  /** Its status, as CloudFormation reports it. */
  readonly status: string;
  /** False if the creation of the stack failed or did not begin. Then it serves no clients. */
  readonly isLive: boolean;
  /** True if the stack has termination protection. */
  readonly isProtected: boolean;
  /** Its outputs, by name. */
  readonly outputs: Readonly<Record<string, string>>;
  /** The error message of AWS if its creation failed, otherwise empty. */
  readonly reason: string;
}

const NOT_LIVE = /^(ROLLBACK_|REVIEW_IN_PROGRESS)/;

/** A new client for each call: the options of a command may set the profile after this module is loaded. */
const client = () => new CloudFormationClient(BOUNDED);

/** Returns those stacks of the assembly that are deployed. */
export async function readDeployed({ stacks }: Assembly): Promise<readonly DeployedStack[]> {
  const found = await Promise.all(stacks.map(({ name }) => readStack(name)));
  return found.filter((stack) => stack !== undefined);
}

/** Returns the stack of that name, or undefined if there is none. */
export async function readStack(name: string): Promise<DeployedStack | undefined> {
  const stack = await describeStack(name);
  if (stack === undefined) return undefined;
  const status = stack.StackStatus ?? '';
  const outputs = (stack.Outputs ?? []).map(
    ({ OutputKey: key = '', OutputValue: value = '' }) => [key, value] as const,
  );
  return {
    ...(status === 'REVIEW_IN_PROGRESS' ? stackOf(name, {}) : await readTemplate(name)),
    status,
    isLive: !NOT_LIVE.test(status),
    isProtected: stack.EnableTerminationProtection === true,
    outputs: Object.fromEntries(outputs),
    reason: /^ROLLBACK_/.test(status) ? await readFailureReason(name) : '',
  };
}

/** Returns the description of a stack by CloudFormation, or undefined if there is none. */
export async function describeStack(name: string): Promise<Stack | undefined> {
  try {
    const { Stacks = [] } = await callAws('cloudformation:DescribeStacks', () =>
      client().send(new DescribeStacksCommand({ StackName: name })),
    );
    return Stacks[0];
  } catch (error) {
    // CloudFormation answers ValidationError, "Stack with id … does not exist".
    if (error instanceof Error && /does not exist/.test(error.message)) return undefined;
    throw error;
  }
}

async function readTemplate(name: string): Promise<StackTemplate> {
  const { TemplateBody = '{}' } = await callAws('cloudformation:GetTemplate', () =>
    client().send(new GetTemplateCommand({ StackName: name, TemplateStage: 'Original' })),
  );
  // The CDK deploys JSON, and JSON is valid YAML.
  return stackOf(name, fieldsOf(parse(TemplateBody)));
}

/**
 * Returns the error of the first resource that failed. CloudFormation then cancelled the others. Events come newest
 * first.
 */
async function readFailureReason(name: string): Promise<string> {
  const { StackEvents = [] } = await callAws('cloudformation:DescribeStackEvents', () =>
    client().send(new DescribeStackEventsCommand({ StackName: name })),
  );
  const failed = StackEvents.filter(
    ({ ResourceStatus, ResourceStatusReason = '' }) =>
      ResourceStatus === 'CREATE_FAILED' && !/cancelled/.test(ResourceStatusReason),
  );
  return failed.at(-1)?.ResourceStatusReason ?? '';
}

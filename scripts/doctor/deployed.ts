/**
 * What is deployed already under the names of the stacks: their state, and the templates that they were made with.
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
import { ask, BOUNDED } from './ask.ts';
import { type Assembly, type StackTemplate, stackOf } from './assembly.ts';

export interface DeployedStack extends StackTemplate {
  readonly status: string;
  /** False for what is left of a creation that failed or never began: nothing of it serves anyone. */
  readonly isLive: boolean;
  /** CloudFormation refuses to delete it. */
  readonly isProtected: boolean;
  readonly outputs: Readonly<Record<string, string>>;
  /** Why its creation failed, in the words of AWS; empty if it did not. */
  readonly reason: string;
}

const NOT_LIVE = /^(ROLLBACK_|REVIEW_IN_PROGRESS)/;

/** Made when it is used: the options of a command may name a profile. */
const client = () => new CloudFormationClient(BOUNDED);

/** The stacks of the assembly that exist. */
export async function readDeployed({ stacks }: Assembly): Promise<readonly DeployedStack[]> {
  const found = await Promise.all(stacks.map(({ name }) => readStack(name)));
  return found.filter((stack) => stack !== undefined);
}

/** The stack of that name, or undefined if there is none. */
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
    reason: /^ROLLBACK_/.test(status) ? await readReason(name) : '',
  };
}

/** What CloudFormation says of a stack, or undefined if there is none. */
export async function describeStack(name: string): Promise<Stack | undefined> {
  try {
    const { Stacks = [] } = await ask('cloudformation:DescribeStacks', () =>
      client().send(new DescribeStacksCommand({ StackName: name })),
    );
    return Stacks[0];
  } catch (error) {
    // CloudFormation says so by this: ValidationError, "Stack with id … does not exist".
    if (error instanceof Error && /does not exist/.test(error.message)) return undefined;
    throw error;
  }
}

async function readTemplate(name: string): Promise<StackTemplate> {
  const { TemplateBody = '{}' } = await ask('cloudformation:GetTemplate', () =>
    client().send(new GetTemplateCommand({ StackName: name, TemplateStage: 'Original' })),
  );
  // The CDK deploys what it wrote as JSON, and JSON is YAML.
  return stackOf(name, fieldsOf(parse(TemplateBody)));
}

/** The first resource that could not be made: the others were cancelled for its sake. The events come newest first. */
async function readReason(name: string): Promise<string> {
  const { StackEvents = [] } = await ask('cloudformation:DescribeStackEvents', () =>
    client().send(new DescribeStackEventsCommand({ StackName: name })),
  );
  const failed = StackEvents.filter(
    ({ ResourceStatus, ResourceStatusReason = '' }) =>
      ResourceStatus === 'CREATE_FAILED' && !/cancelled/.test(ResourceStatusReason),
  );
  return failed.at(-1)?.ResourceStatusReason ?? '';
}

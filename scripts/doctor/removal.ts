/**
 * What `npm run destroy` takes and what it leaves, by name.
 * @module
 */
import { CloudFormationClient, DescribeStackResourcesCommand } from '@aws-sdk/client-cloudformation';
import type { Assembly } from './assembly.ts';
import { BOUNDED, callAws } from './call.ts';
import { type DeployedStack, readDeployed } from './deployed.ts';

const THROW_AWAY = '-c tidings:throwAway=true';

export interface Removal {
  readonly text: string;
  /** Which stacks the CLI is to destroy. */
  readonly scope: readonly string[];
}

/**
 * Compares what is asked for with how the hub was deployed.
 * @throws Error if the hub is to be thrown away, and was deployed to be kept
 */
export async function planRemoval(assembly: Assembly): Promise<Removal> {
  const deployed = await readDeployed(assembly);
  const kept = deployed.filter(isKept);
  const isThrownAway = !assembly.stacks.some(({ resources }) =>
    resources.some((resource) => resource.isKept),
  );
  if (!isThrownAway) {
    const stays = (await Promise.all(deployed.filter(holdsData).map(({ name }) => namesIn(name)))).flat();
    return { scope: ['*-hub'], text: leaves(stays, kept.length > 0) };
  }
  if (kept.length === 0)
    return { scope: ['--all'], text: 'the hub goes with all of its data: nothing of it stays' };
  const names = kept.map(({ name }) => name).join(' and ');
  throw new Error(
    `${names} was deployed without tidings:throwAway, so its tables and keys are protected: deploy once with the flag ` +
      `first (npm run deploy -- ${THROW_AWAY}), and then destroy it with the flag`,
  );
}

const DATA = ['AWS::DynamoDB::GlobalTable', 'AWS::SecretsManager::Secret'];

const holdsData = ({ resources }: DeployedStack): boolean =>
  resources.some(({ type }) => DATA.includes(type));

const isKept = ({ isProtected, resources }: DeployedStack): boolean =>
  isProtected || resources.some((resource) => resource.isKept);

function leaves(stays: readonly string[], isProtected: boolean): string {
  if (stays.length === 0) return 'the hub goes; no data of it are deployed';
  const first = isProtected ? `npm run deploy -- ${THROW_AWAY} and then ` : '';
  return [
    'the hub goes with its URLs, queues and logs; its data stay, and cost what they store:',
    ...stays.map((name) => `  ${name}`),
    `${first}npm run destroy -- ${THROW_AWAY} deletes them, too`,
  ].join('\n');
}

async function namesIn(stack: string): Promise<readonly string[]> {
  const { StackResources = [] } = await callAws('cloudformation:DescribeStackResources', () =>
    new CloudFormationClient(BOUNDED).send(new DescribeStackResourcesCommand({ StackName: stack })),
  );
  return StackResources.filter(
    ({ ResourceType = '', ResourceStatus }) =>
      DATA.includes(ResourceType) && ResourceStatus !== 'DELETE_COMPLETE',
  ).map(
    ({ ResourceType, PhysicalResourceId, LogicalResourceId }) =>
      `${ResourceType === DATA[0] ? 'table ' : 'secret'} ${PhysicalResourceId} (${LogicalResourceId})`,
  );
}

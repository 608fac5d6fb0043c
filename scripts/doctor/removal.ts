/**
 * The resources that `npm run destroy` deletes, and the tables and keys that stay.
 * @module
 */
import { CloudFormationClient, DescribeStackResourcesCommand } from '@aws-sdk/client-cloudformation';
import type { Assembly } from './assembly.ts';
import { BOUNDED, callAws } from './call.ts';
import { type DeployedStack, readDeployed } from './deployed.ts';

const THROW_AWAY = '-c tidings:throwAway=true';

/** The plan of `npm run destroy`. */
export interface Removal {
  /** Tells the operator which data is deleted, and which stays. */
  readonly text: string;
  /** Arguments of `cdk destroy`: the stacks. */
  readonly scope: readonly string[];
}

/**
 * Compares the option `tidings:throwAway` of this command with the deployed hub.
 * @throws Error if the command has the option and the deployed hub does not
 */
export async function planRemoval(assembly: Assembly): Promise<Removal> {
  const deployed = await readDeployed(assembly);
  const retained = deployed.filter(isRetained);
  const isThrownAway = !assembly.stacks.some(({ resources }) =>
    resources.some((resource) => resource.isRetained),
  );
  if (!isThrownAway) {
    const stays = (await Promise.all(deployed.filter(holdsData).map(({ name }) => namesIn(name)))).flat();
    return { scope: ['*-hub'], text: leaves(stays, retained.length > 0) };
  }
  if (retained.length === 0) return { scope: ['--all'], text: 'the hub and all of its data are deleted' };
  const names = retained.map(({ name }) => name).join(' and ');
  throw new Error(
    `${names} was deployed without tidings:throwAway, so its tables and keys are protected: deploy once with the flag ` +
      `first (npm run deploy -- ${THROW_AWAY}), and then destroy it with the flag`,
  );
}

const DATA = ['AWS::DynamoDB::GlobalTable', 'AWS::SecretsManager::Secret'];

const holdsData = ({ resources }: DeployedStack): boolean =>
  resources.some(({ type }) => DATA.includes(type));

const isRetained = ({ isProtected, resources }: DeployedStack): boolean =>
  isProtected || resources.some((resource) => resource.isRetained);

function leaves(stays: readonly string[], isProtected: boolean): string {
  if (stays.length === 0) return 'the hub is deleted; none of its data is deployed';
  const first = isProtected ? `npm run deploy -- ${THROW_AWAY} and then ` : '';
  return [
    'the hub is deleted, with its URLs, queues and logs; these tables and keys stay, and their storage is billed:',
    ...stays.map((name) => `  ${name}`),
    `${first}npm run destroy -- ${THROW_AWAY} deletes them too`,
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

/**
 * Finds the signing key of a hub: the local one, or a deployed one by the outputs of its stack.
 * @module
 */
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import {
  GetSecretValueCommand,
  SecretsManagerClient,
  type SecretsManagerClientConfig,
} from '@aws-sdk/client-secrets-manager';
import type { LocalHub } from './local-file.ts';

export interface HubKeys {
  readonly key: string;
  readonly audience: string;
}

type Outputs = Readonly<Record<string, string | undefined>>;

export async function keysOfLocalHub(hub: Pick<LocalHub, 'aws' | 'outputs'>): Promise<HubKeys> {
  const { endpoint, region, accessKeyId, secretAccessKey } = hub.aws;
  return await keysOf(hub.outputs, { endpoint, region, credentials: { accessKeyId, secretAccessKey } });
}

/** Uses the caller's own AWS credentials and region, as the CDK does. */
export async function keysOfDeployedHub(stage: string): Promise<HubKeys> {
  return await keysOf(await outputsOf(`tidings-${stage}-log`), {});
}

/** The URL of a deployed hub's HTTP API, without a slash at its end. */
export async function urlOfDeployedHub(stage: string): Promise<string> {
  const { HttpUrl } = await outputsOf(`tidings-${stage}-hub`);
  if (!HttpUrl) throw new Error(`the stack tidings-${stage}-hub has no output HttpUrl`);
  return HttpUrl.replace(/\/$/, '');
}

async function outputsOf(stack: string): Promise<Outputs> {
  const { Stacks = [] } = await new CloudFormationClient({}).send(
    new DescribeStacksCommand({ StackName: stack }),
  );
  const outputs = Stacks[0]?.Outputs ?? [];
  return Object.fromEntries(outputs.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]));
}

async function keysOf(
  { TokenSecretArn, TokenAudience }: Outputs,
  config: SecretsManagerClientConfig,
): Promise<HubKeys> {
  if (!TokenSecretArn || !TokenAudience)
    throw new Error('the stack has no outputs TokenSecretArn and TokenAudience');
  const { SecretString } = await new SecretsManagerClient(config).send(
    new GetSecretValueCommand({ SecretId: TokenSecretArn }),
  );
  const secret: unknown = JSON.parse(SecretString ?? '{}');
  const key =
    typeof secret === 'object' && secret !== null && 'current' in secret ? secret.current : undefined;
  if (typeof key !== 'string') throw new Error('the token secret has no text "current"');
  return { key, audience: TokenAudience };
}

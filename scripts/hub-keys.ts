/**
 * Finds the signing keys of a hub, and replaces them: the local one's, or a deployed one's by the outputs of its stack.
 * @module
 */
import { createHash, randomInt } from 'node:crypto';
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceExistsException,
  SecretsManagerClient,
  type SecretsManagerClientConfig,
} from '@aws-sdk/client-secrets-manager';
import { fieldsOf } from '../protocol/fields.ts';
import { UsageError } from './cli.ts';
import { describeStack } from './doctor/deployed.ts';
import { readIdentity } from './doctor/identity.ts';
import { type LocalHub, readLocalHub } from './local-file.ts';

/** As many characters, and of the same, as the template has Secrets Manager generate. */
const KEY_LENGTH = 64;
const KEY_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

export interface HubKeys {
  readonly key: string;
  readonly audience: string;
}

/** Where the keys of a hub are. */
export interface KeyStore {
  readonly client: SecretsManagerClient;
  readonly arn: string;
  readonly audience: string;
}

export type Outputs = Readonly<Record<string, string | undefined>>;

function storeOfLocalHub({ aws, outputs }: Pick<LocalHub, 'aws' | 'outputs'>): KeyStore {
  const { endpoint, region, accessKeyId, secretAccessKey } = aws;
  return storeIn(outputs, { endpoint, region, credentials: { accessKeyId, secretAccessKey } });
}

/** Uses the caller's own AWS credentials and region, as the CDK does. */
async function storeOfDeployedHub(stage: string): Promise<KeyStore> {
  return storeIn(await outputsOf(`tidings-${stage}-log`), {});
}

/** The keys of the deployed hub of that stage; of the one that runs here, if there is none. */
export async function storeFor(stage: string | undefined): Promise<KeyStore> {
  if (stage !== undefined) return await storeOfDeployedHub(stage);
  const local = readLocalHub();
  if (!local)
    throw new UsageError('no hub runs here: start one with npm start, or name a deployed one with --stage');
  return storeOfLocalHub(local);
}

export async function keysOfLocalHub(hub: Pick<LocalHub, 'aws' | 'outputs'>): Promise<HubKeys> {
  return await keysIn(storeOfLocalHub(hub));
}

export async function keysOfDeployedHub(stage: string): Promise<HubKeys> {
  return await keysIn(await storeOfDeployedHub(stage));
}

export interface Rotated extends HubKeys {
  /** Since when the key that was current until now has signed. */
  readonly since: Date | undefined;
  /** True if a key was given up: the one before that. */
  readonly isEndOfAnother: boolean;
}

/**
 * The current key becomes the previous one, and a new one takes its place.
 * @throws Error if somebody else does so at the same time: one of the two would be lost, with all that it had signed
 */
export async function rotate(store: KeyStore): Promise<Rotated> {
  const { client, arn, audience } = store;
  const { current, hasPrevious, version, since } = await secretIn(store);
  const key = Array.from({ length: KEY_LENGTH }, () => KEY_CHARACTERS[randomInt(KEY_CHARACTERS.length)]).join(
    '',
  );
  const put = new PutSecretValueCommand({
    SecretId: arn,
    SecretString: JSON.stringify({ current: key, previous: current }),
    // A version has one successor: Secrets Manager refuses another value under the same token.
    ClientRequestToken: createHash('sha256').update(version).digest('hex'),
  });
  try {
    await client.send(put);
  } catch (error) {
    if (!(error instanceof ResourceExistsException)) throw error;
    throw new Error('somebody else rotates the keys of this hub at this moment: look, and try again');
  }
  return { key, audience, since, isEndOfAnother: hasPrevious };
}

/** The outputs of a deployed hub: where its doors are. */
export const outputsOfDeployedHub = (stage: string): Promise<Outputs> => outputsOf(`tidings-${stage}-hub`);

/** The URL of a deployed hub's HTTP API, without a slash at its end. */
export async function urlOfDeployedHub(stage: string): Promise<string> {
  const { HttpUrl } = await outputsOfDeployedHub(stage);
  if (!HttpUrl) throw new Error(`the stack tidings-${stage}-hub has no output HttpUrl`);
  return HttpUrl.replace(/\/$/, '');
}

/** @throws Error with one sentence if there are no credentials, no Region, or no such stack */
async function outputsOf(stack: string): Promise<Outputs> {
  const found = await describeStack(stack).catch(async (error: unknown) => {
    // The messages of the SDK, such as "Region is missing", do not tell what to do. readIdentity throws one that does.
    await readIdentity();
    throw error;
  });
  if (found === undefined) {
    const { account, region } = await readIdentity();
    throw new Error(
      `account ${account} has no stack ${stack} in ${region}: set --stage or AWS_REGION to another, or deploy it (npm run deploy)`,
    );
  }
  return Object.fromEntries(
    (found.Outputs ?? []).map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]),
  );
}

function storeIn({ TokenSecretArn, TokenAudience }: Outputs, config: SecretsManagerClientConfig): KeyStore {
  if (!TokenSecretArn || !TokenAudience)
    throw new Error('the stack has no outputs TokenSecretArn and TokenAudience');
  return { client: new SecretsManagerClient(config), arn: TokenSecretArn, audience: TokenAudience };
}

export async function keysIn(store: KeyStore): Promise<HubKeys> {
  return { key: (await secretIn(store)).current, audience: store.audience };
}

async function secretIn({ client, arn }: KeyStore) {
  const { SecretString, VersionId, CreatedDate } = await client.send(
    new GetSecretValueCommand({ SecretId: arn }),
  );
  const secret: unknown = JSON.parse(SecretString ?? '{}');
  const { current, previous } = fieldsOf(secret);
  if (typeof current !== 'string') throw new Error('the token secret has no text "current"');
  const hasPrevious = previous !== undefined && previous !== '';
  return { current, hasPrevious, version: VersionId ?? '', since: CreatedDate };
}

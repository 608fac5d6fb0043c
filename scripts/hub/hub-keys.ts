/**
 * Finds and replaces the signing keys of a hub: the local one, or a deployed one by the outputs of its stack.
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
import { fieldsOf } from '../../protocol/fields.ts';
import { UsageError } from '../cli.ts';
import { describeStack } from '../doctor/deployed.ts';
import { readIdentity } from '../doctor/identity.ts';
import { waitFor } from '../terminal/waiting.ts';
import { type LocalHub, readLocalHub } from './local-file.ts';

/** The same length and characters as the key that Secrets Manager generates for the template. */
const KEY_LENGTH = 64;
const KEY_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** The parts that mint a token. */
export interface HubKeys {
  /** The current signing key, as text. */
  readonly key: string;
  /** The `aud` of tokens for this hub. */
  readonly audience: string;
}

/** The secret that holds the keys of a hub. */
export interface KeyStore {
  /** The client with the Region and the credentials. */
  readonly client: SecretsManagerClient;
  /** The ARN of the secret. */
  readonly arn: string;
  /** The `aud` of tokens for this hub. */
  readonly audience: string;
}

/** The outputs of a stack, by name. */
export type Outputs = Readonly<Record<string, string | undefined>>;

function storeOfLocalHub({ aws, outputs }: Pick<LocalHub, 'aws' | 'outputs'>): KeyStore {
  const { endpoint, region, accessKeyId, secretAccessKey } = aws;
  return storeIn(outputs, { endpoint, region, credentials: { accessKeyId, secretAccessKey } });
}

/** Uses the AWS credentials and the Region of the caller, as the CDK does. */
async function storeOfDeployedHub(stage: string): Promise<KeyStore> {
  return storeIn(await outputsOf(`tidings-${stage}-log`), {});
}

/**
 * Returns the key store of the deployed hub of a stage, or of the local hub without a stage.
 * @throws UsageError if no local hub runs
 */
export async function storeFor(stage: string | undefined): Promise<KeyStore> {
  if (stage !== undefined) return await storeOfDeployedHub(stage);
  const local = readLocalHub();
  if (!local)
    throw new UsageError('no hub runs here: start one with npm start, or name a deployed one with --stage');
  return storeOfLocalHub(local);
}

/** Returns the keys of a local hub. */
export async function keysOfLocalHub(hub: Pick<LocalHub, 'aws' | 'outputs'>): Promise<HubKeys> {
  return await keysIn(storeOfLocalHub(hub));
}

/** Returns the keys of the deployed hub of a stage. */
export async function keysOfDeployedHub(stage: string): Promise<HubKeys> {
  return await keysIn(await storeOfDeployedHub(stage));
}

/** The result of a rotation. */
export interface Rotated extends HubKeys {
  /** The time since which the previous key has signed. */
  readonly since: Date | undefined;
  /** True if the rotation ended an older key: the one before the previous one. */
  readonly isEndOfAnother: boolean;
}

/**
 * Makes the current key the previous one, and generates a new current key.
 * @throws Error if another rotation runs at the same time, because one of the two keys would be lost
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
    // Two rotations of the same version have the same token. Secrets Manager refuses the second one, because its value
    // differs.
    ClientRequestToken: createHash('sha256').update(version).digest('hex'),
  });
  try {
    await waitFor('storing the new key', client.send(put));
  } catch (error) {
    if (!(error instanceof ResourceExistsException)) throw error;
    throw new Error('another rotation of this hub runs at the same time: check its result, and try again');
  }
  return { key, audience, since, isEndOfAnother: hasPrevious };
}

/** Returns the outputs of the stack of a deployed hub, which contain its URLs. */
export const outputsOfDeployedHub = (stage: string): Promise<Outputs> => outputsOf(`tidings-${stage}-hub`);

/** Returns the URL of a deployed hub's HTTP API, without a slash at its end. */
export async function urlOfDeployedHub(stage: string): Promise<string> {
  const { HttpUrl } = await outputsOfDeployedHub(stage);
  if (!HttpUrl) throw new Error(`the stack tidings-${stage}-hub has no output HttpUrl`);
  return HttpUrl.replace(/\/$/, '');
}

/**
 * Returns the outputs of a stack.
 * @throws Error with one sentence if there are no credentials, no Region, or no such stack
 */
async function outputsOf(stack: string): Promise<Outputs> {
  const found = await waitFor(`looking for the stack ${stack} in AWS`, describeStack(stack)).catch(
    async (error: unknown) => {
      // The SDK's messages, such as "Region is missing", do not tell what to do. The error of readIdentity does.
      await readIdentity();
      throw error;
    },
  );
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

/** Returns the keys in a key store. */
export async function keysIn(store: KeyStore): Promise<HubKeys> {
  return { key: (await secretIn(store)).current, audience: store.audience };
}

async function secretIn({ client, arn }: KeyStore) {
  const { SecretString, VersionId, CreatedDate } = await waitFor(
    'reading the key of the hub',
    client.send(new GetSecretValueCommand({ SecretId: arn })),
  );
  const secret: unknown = JSON.parse(SecretString ?? '{}');
  const { current, previous } = fieldsOf(secret);
  if (typeof current !== 'string') throw new Error('the token secret has no text "current"');
  const hasPrevious = previous !== undefined && previous !== '';
  return { current, hasPrevious, version: VersionId ?? '', since: CreatedDate };
}

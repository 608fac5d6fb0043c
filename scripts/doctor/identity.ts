/**
 * The identity and the Region for calls of AWS. If one is missing, one sentence tells how to set it.
 * @module
 */
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { BOUNDED } from './call.ts';

/** The caller of AWS, and its Region. */
export interface Identity {
  /** The account number. */
  readonly account: string;
  /** ARN of the user or role. */
  readonly arn: string;
  /** The name of the Region. */
  readonly region: string;
}

/**
 * The longest search for credentials, in milliseconds. The last provider calls the metadata service of an EC2 instance, which answers in
 * milliseconds. On other machines its packets may get lost.
 */
const LONGEST_SEARCH_MS = 4_000;

const HOW = 'set AWS_PROFILE to a profile of ~/.aws/config and AWS_REGION to a Region, such as eu-west-1';

/** Error names for credentials that have expired, and for invalid ones. https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html */
const EXPIRED = ['ExpiredToken', 'ExpiredTokenException', 'RequestExpired'];
const UNKNOWN = ['InvalidClientTokenId', 'UnrecognizedClientException', 'SignatureDoesNotMatch'];

/**
 * Reads the credentials and the Region from the environment and the files that all AWS tools read, and gets the account from AWS.
 * @throws Error with one sentence that tells what is missing, and how to get it
 */
export async function readIdentity(): Promise<Identity> {
  const client = new STSClient(BOUNDED);
  const region = await client.config.region().catch(() => undefined);
  const problem = await withinBound(client.config.credentials()).then(
    () => undefined,
    (error: unknown) => messageOf(error),
  );
  if (problem !== undefined) throw new Error(messageFor(problem));
  if (region === undefined) throw new Error('no AWS Region is set: set AWS_REGION, such as eu-west-1');
  const { Account: account = '', Arn: arn = '' } = await client
    .send(new GetCallerIdentityCommand({}))
    .catch((error: unknown) => {
      throw new Error(failureMessage(error));
    });
  return { account, arn, region };
}

function messageFor(problem: string): string {
  if (/expired|sso login/i.test(problem)) return `the AWS credentials have expired: ${firstLine(problem)}`;
  const { AWS_PROFILE: profile } = process.env;
  const where = profile === undefined ? '' : ` for the profile "${profile}"`;
  // The message of the whole provider chain adds nothing. The message of a single provider tells what is wrong with it.
  const isNone = /^Could not load credentials from any providers|^no provider/.test(problem);
  return `no AWS credentials were found${where}${isNone ? '' : ` (${firstLine(problem)})`}: ${HOW}`;
}

function failureMessage(error: unknown): string {
  const name = error instanceof Error ? error.name : '';
  if (EXPIRED.includes(name))
    return 'the AWS credentials have expired: log in again (aws sso login), or get new ones';
  if (UNKNOWN.includes(name)) return `AWS rejects these credentials (${name}): ${HOW}`;
  return `AWS does not return your identity (${firstLine(messageOf(error))}): check the network, and AWS_REGION`;
}

const firstLine = (text: string): string => text.split('\n')[0] ?? '';
const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message || error.name : String(error);

async function withinBound<T>(search: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no provider answered')), LONGEST_SEARCH_MS);
  });
  try {
    return await Promise.race([search, bound]);
  } finally {
    clearTimeout(timer);
  }
}
